from __future__ import annotations

from typing import Any

import click

from ..analysis.summary import Window
from ..cluster.replicas import ClusterError
from ..traffic import arrivals
from ..traffic.mix import Cancels, Mix, default_mix
from ..trial.process_memory import ProcessMemory, slope
from ..trial.trial import carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, FiniteRange, options, trial
from .run_results import finish

GIVEN_UP_AFTER_S = (0.1, 2.0)
MIB = 1 << 20


@click.command()
@options(TARGET)
@click.option("--rate", type=POSITIVE, required=True, help="Average requests per second.")
@click.option("--hours", type=POSITIVE, required=True, help="Hours to measure; 0.1667 is ten minutes.")
@click.option(
    "--warmup",
    type=FiniteRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds at the start to leave out, also of the memory slope.",
)
@click.option(
    "--cancelled",
    type=FiniteRange(0, 1),
    default=0.1,
    show_default=True,
    help="Share of requests to cancel midway.",
)
@click.option("--pid", type=int, help="Process ID of the service, to watch its memory and its descendants'.")
@click.option(
    "--most-growth",
    type=POSITIVE,
    default=64.0,
    show_default=True,
    help="MiB per hour; memory that surely grows faster fails the run.",
)
@options(OUTPUT)
def soak(**given: Any) -> None:
    """Run a steady load for hours, some of it cancelled, to see if memory grows or requests fail.

    \b
      scripts/serve &        (wait until it says that it is ready)
      python -m loadtest soak --url http://127.0.0.1:8000 --rate 0.3 --hours 1 --pid $!

    Exits 1 if the objective is missed, memory grows or every request failed.
    """
    window = Window(given["warmup"], given["hours"] * 3_600)
    process_memory = ProcessMemory(given["pid"]) if given["pid"] else None
    mix = with_cancels(given["mix"] or default_mix(), given["cancelled"])
    try:
        times = arrivals.poisson(given["rate"], window.end_s, given["seed"])
        load = trial(window, times, {**given, "mix": mix}, records=given["records"])
        summary = carry_out(load, *([process_memory] if process_memory else []))
    except (ClusterError, arrivals.ArrivalsError) as error:
        raise click.UsageError(str(error)) from error
    if process_memory is not None:
        summary["memory"] = {
            "slope": slope(process_memory.seen, given["warmup"]),
            "seen": process_memory.seen,
        }
        _judge_growth(summary, given["most_growth"])
    finish(summary, given["out"], given["html"])


def with_cancels(mix: Mix, share: float) -> Mix:
    """Cancel a share of the requests of each entry that does not set its own share."""
    if not share:
        return mix
    cancels = Cancels(share=share, after_s=GIVEN_UP_AFTER_S)
    entries = [
        entry if entry.cancels else entry.model_copy(update={"cancels": cancels}) for entry in mix.requests
    ]
    return mix.model_copy(update={"requests": entries})


def _judge_growth(summary: dict[str, Any], most_mib: float) -> None:
    grows = summary["memory"]["slope"]
    if grows is None:
        click.echo("memory      too few samples for a slope")
        return
    click.echo(
        f"memory      {grows['bytes_per_hour'] / MIB:+.1f} MiB per hour "
        f"({grows['low'] / MIB:+.1f} to {grows['high'] / MIB:+.1f})"
    )
    grew = grows["low"] / MIB > most_mib
    term = {"term": f"growth<={most_mib:g}MiB/h", "value": grows["bytes_per_hour"], "met": not grew}
    slo = summary.setdefault("slo", {"text": "", "met": True, "terms": []})
    slo["terms"].append(term)
    slo["met"] = slo["met"] and not grew
    slo["text"] = ",".join(each["term"] for each in slo["terms"])
