from __future__ import annotations

import sys
from typing import Any, cast

import click

from ..mix import default_mix
from ..report.tables import seconds
from ..traffic import Target
from .parameters import OUTPUT, POSITIVE, TARGET, check, options
from .results import MET, MISSED, save


@click.command()
@options(tuple(TARGET[:3] + TARGET[4:6]))
@click.option("--scenario", type=click.Choice(["server", "offline"]), default="server", show_default=True)
@click.option(
    "--rate", type=POSITIVE, required=True, help="Requests a second; offline: how many are reckoned with."
)
@click.option("--duration", type=POSITIVE, default=60.0, show_default=True, help="Seconds, at least.")
@click.option(
    "--bound",
    type=POSITIVE,
    default=20.0,
    show_default=True,
    help="Seconds within which 99% must be answered; 20 is MLPerf's for SDXL.",
)
@options(OUTPUT[:1])
def mlperf(**asked: Any) -> None:
    """Let MLPerf LoadGen measure the same requests: a cross-check of `run`.

    \b
      python -m loadtest mlperf --url http://127.0.0.1:8000 --scenario server --rate 0.5 --bound 8

    Exits 1 where LoadGen's verdict is INVALID, or an answer failed.
    """
    try:
        from ..mlperf import Exam, Scenario, examine
    except ImportError as error:
        raise click.UsageError(
            f"MLPerf LoadGen is not installed: pip install mlcommons-loadgen ({error})"
        ) from error
    check(asked["url"])
    target = Target(asked["url"], asked["timeout_s"], asked["api_key"])
    scenario = cast(Scenario, asked["scenario"])
    exam = Exam(scenario, asked["rate"], asked["duration"], asked["bound"], asked["seed"])
    told = examine(target, asked["mix"] or default_mix(), exam)
    save(told, asked["out"])
    named = ", ".join(f"{name} {seconds(value)}" for name, value in told["latency_s"].items())
    click.echo(
        f"LoadGen     {'VALID' if told['valid'] else 'INVALID'}, {told['requests']} requests, "
        f"{told['throughput_rps']:.3g}/s"
    )
    click.echo(f"latency     {named}")
    for why in told["invalid_because"]:
        click.echo(f"not         {why}")
    for code, count in told["errors"].items():
        click.echo(f"failed      {count} x {code}")
    sys.exit(MET if told["valid"] and not told["errors"] else MISSED)
