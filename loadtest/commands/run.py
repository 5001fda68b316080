from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..analysis.summary import Window
from ..cluster.replicas import ClusterError
from ..traffic import arrivals
from ..trial.trial import Trial, carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, TIME, options, trial
from .run_results import finish

ARRIVALS = (
    click.option(
        "--arrival",
        type=click.Choice(["poisson", "constant", "gamma", "trace"]),
        default="poisson",
        show_default=True,
        help="How send times are drawn.",
    ),
    click.option("--rate", type=POSITIVE, help="Average requests per second."),
    click.option(
        "--variation",
        type=POSITIVE,
        default=2.0,
        show_default=True,
        help="For gamma: 1 is Poisson, more is burstier.",
    ),
    click.option(
        "--trace",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="For trace: file of send times in seconds, one per line.",
    ),
)


@click.command()
@options(TARGET, ARRIVALS)
@click.option(
    "--users",
    type=click.IntRange(1, 100_000),
    help="Run a closed loop: each user sends when its last response arrives.",
)
@options(TIME, OUTPUT)
def run(**given: Any) -> None:
    """Send a load, measure and check every response.

    \b
      python -m loadtest run --url http://127.0.0.1:8000 --rate 0.5 --duration 60 --html report.html
      python -m loadtest run --url … --arrival gamma --rate 4 --slo 'p95<8s,ok>=99%' --out r.json

    Requests are sent at times drawn before the run, however slow the responses are, and latency counts from
    those times. A service that stalls gets no fewer requests, and its latencies include the stall. Exits 0 if
    the objective is met or none is set, 1 if it is missed or every request failed, 2 for wrong usage, 3 if
    the run is INVALID because the generator itself was late.
    """
    try:
        summary = carry_out(run_trial(given))
    except ClusterError as error:
        raise click.UsageError(str(error)) from error
    finish(summary, given["out"], given["html"])


def run_trial(given: dict[str, Any], **more: Any) -> Trial:
    """Build the trial of a run. Raises click.UsageError."""
    window = Window(given["warmup"], given["duration"])
    if given["users"] is not None:
        if given["rate"] is not None or given["trace"] is not None:
            raise click.UsageError("--users cannot be combined with --rate or --trace")
        return trial(window, [], given, users=given["users"], records=given["records"], **more)
    return trial(window, drawn(given, window.end_s), given, records=given["records"], **more)


def drawn(given: dict[str, Any], ends_s: float) -> list[float]:
    """Return the arrivals until `ends_s`. Raises click.UsageError."""
    if (given["arrival"] == "trace") != (given["trace"] is not None):
        raise click.UsageError("--arrival trace and --trace FILE must be given together")
    if (given["arrival"] == "trace") == (given["rate"] is not None):
        raise click.UsageError("give --rate, or --arrival trace with --trace FILE, or --users")
    try:
        if given["arrival"] == "trace":
            return arrivals.trace(given["trace"], ends_s)
        if given["arrival"] == "constant":
            return arrivals.constant(given["rate"], ends_s)
        if given["arrival"] == "gamma":
            return arrivals.gamma(given["rate"], ends_s, given["seed"], given["variation"])
        return arrivals.poisson(given["rate"], ends_s, given["seed"])
    except arrivals.ArrivalsError as error:
        raise click.UsageError(str(error)) from error
