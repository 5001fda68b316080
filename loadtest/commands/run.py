from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..analysis.summary import Window
from ..cluster.replicas import ClusterError
from ..traffic import arrivals
from ..trial.trial import Trial, carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, TIME, options, trial
from .results import finish

ARRIVALS = (
    click.option(
        "--arrival",
        type=click.Choice(["poisson", "constant", "gamma", "trace"]),
        default="poisson",
        show_default=True,
        help="When requests are sent.",
    ),
    click.option("--rate", type=POSITIVE, help="Requests a second, on average."),
    click.option(
        "--variation",
        type=POSITIVE,
        default=2.0,
        show_default=True,
        help="gamma: 1 is Poisson, more comes in bursts.",
    ),
    click.option(
        "--trace",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        help="trace: send times, seconds, one a line.",
    ),
)


@click.command()
@options(TARGET, ARRIVALS)
@click.option(
    "--users", type=click.IntRange(1, 100_000), help="A closed loop instead: each sends when it is answered."
)
@options(TIME, OUTPUT)
def run(**asked: Any) -> None:
    """Send a load, measure and check every answer.

    \b
      python -m loadtest run --url http://127.0.0.1:8000 --rate 0.5 --duration 60 --html report.html
      python -m loadtest run --url … --arrival gamma --rate 4 --slo 'p95<8s,ok>=99%' --out r.json

    Requests are sent at times drawn before the run, however slow the answers are, and latency counts from
    those times: a service that stalls is not asked less, and pays for the stall. Exits 0 where the objective
    is met or none is set, 1 where it is missed or every request failed, 2 for wrong usage, 3 where the run is
    INVALID: the generator itself was late.
    """
    try:
        summary = carry_out(run_trial(asked))
    except ClusterError as error:
        raise click.UsageError(str(error)) from error
    finish(summary, asked["out"], asked["html"])


def run_trial(asked: dict[str, Any], **more: Any) -> Trial:
    """Raises click.UsageError."""
    window = Window(asked["warmup"], asked["duration"])
    if asked["users"] is not None:
        if asked["rate"] is not None or asked["trace"] is not None:
            raise click.UsageError("--users is a closed loop: it has no --rate and no --trace")
        return trial(window, [], asked, users=asked["users"], records=asked["records"], **more)
    return trial(window, drawn(asked, window.end_s), asked, records=asked["records"], **more)


def drawn(asked: dict[str, Any], ends_s: float) -> list[float]:
    """The arrivals until `ends_s`. Raises click.UsageError."""
    if (asked["arrival"] == "trace") != (asked["trace"] is not None):
        raise click.UsageError("--arrival trace and --trace FILE go together")
    if (asked["arrival"] == "trace") == (asked["rate"] is not None):
        raise click.UsageError("give --rate, or --arrival trace with --trace FILE, or --users")
    try:
        if asked["arrival"] == "trace":
            return arrivals.trace(asked["trace"], ends_s)
        if asked["arrival"] == "constant":
            return arrivals.constant(asked["rate"], ends_s)
        if asked["arrival"] == "gamma":
            return arrivals.gamma(asked["rate"], ends_s, asked["seed"], asked["variation"])
        return arrivals.poisson(asked["rate"], ends_s, asked["seed"])
    except arrivals.ArrivalsError as error:
        raise click.UsageError(str(error)) from error
