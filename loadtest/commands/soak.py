from __future__ import annotations

from typing import Any

import click

from ..analysis.summary import Window
from ..cluster.replicas import ClusterError
from ..traffic import arrivals
from ..traffic.mix import Cancels, Mix, default_mix
from ..trial.memory import Memory, slope
from ..trial.trial import carry_out
from .finite import FiniteRange
from .parameters import OUTPUT, POSITIVE, TARGET, options, trial
from .results import finish

GIVEN_UP_AFTER_S = (0.1, 2.0)
MIB = 1 << 20


@click.command()
@options(TARGET)
@click.option("--rate", type=POSITIVE, required=True, help="Requests a second, on average.")
@click.option("--hours", type=POSITIVE, required=True, help="0.1667 is ten minutes.")
@click.option(
    "--warmup",
    type=FiniteRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds before them that count for nothing, memory included.",
)
@click.option(
    "--cancelled",
    type=FiniteRange(0, 1),
    default=0.1,
    show_default=True,
    help="The share of requests that is given up midway.",
)
@click.option("--pid", type=int, help="Of the service: the memory of it and its descendants is watched.")
@click.option(
    "--most-growth",
    type=POSITIVE,
    default=64.0,
    show_default=True,
    help="MiB an hour; a slope that is surely above it is a failure.",
)
@options(OUTPUT)
def soak(**asked: Any) -> None:
    """A steady load for hours, some of it cancelled: does anything grow, does anything fail?

    \b
      scripts/serve &        (wait until it says that it is ready)
      python -m loadtest soak --url http://127.0.0.1:8000 --rate 0.3 --hours 1 --pid $!

    Exits 1 where the objective is missed, memory grows or every request failed.
    """
    window = Window(asked["warmup"], asked["hours"] * 3_600)
    memory = Memory(asked["pid"]) if asked["pid"] else None
    mix = with_cancels(asked["mix"] or default_mix(), asked["cancelled"])
    try:
        times = arrivals.poisson(asked["rate"], window.end_s, asked["seed"])
        load = trial(window, times, {**asked, "mix": mix}, records=asked["records"])
        summary = carry_out(load, *([memory] if memory else []))
    except (ClusterError, arrivals.ArrivalsError) as error:
        raise click.UsageError(str(error)) from error
    if memory is not None:
        summary["memory"] = {"slope": slope(memory.seen, asked["warmup"]), "seen": memory.seen}
        _judge_growth(summary, asked["most_growth"])
    finish(summary, asked["out"], asked["html"])


def with_cancels(mix: Mix, share: float) -> Mix:
    """Every request that does not say of itself how often it is cancelled."""
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
        click.echo("memory      too little was seen of it for a slope")
        return
    click.echo(
        f"memory      {grows['bytes_per_hour'] / MIB:+.1f} MiB an hour "
        f"({grows['low'] / MIB:+.1f} to {grows['high'] / MIB:+.1f})"
    )
    grew = grows["low"] / MIB > most_mib
    term = {"term": f"growth<={most_mib:g}MiB/h", "value": grows["bytes_per_hour"], "met": not grew}
    slo = summary.setdefault("slo", {"text": "", "met": True, "terms": []})
    slo["terms"].append(term)
    slo["met"] = slo["met"] and not grew
    slo["text"] = ",".join(each["term"] for each in slo["terms"])
