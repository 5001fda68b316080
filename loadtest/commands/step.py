from __future__ import annotations

from typing import Any

import click

from ..analysis.stepping import Step, analyse
from ..analysis.summary import Window
from ..cluster.replicas import ClusterError
from ..traffic import arrivals
from ..trial.trial import carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, FiniteRange, options, trial
from .run_results import finish


@click.command()
@options(TARGET)
@click.option("--low", type=POSITIVE, required=True, help="Requests per second before and after the step.")
@click.option("--high", type=POSITIVE, required=True, help="Requests per second during the step.")
@click.option(
    "--before", type=POSITIVE, default=30.0, show_default=True, help="Measured seconds at the low rate."
)
@click.option("--hold", type=POSITIVE, default=90.0, show_default=True, help="Seconds at the high rate.")
@click.option(
    "--after",
    type=FiniteRange(min=0),
    default=30.0,
    show_default=True,
    help="Seconds at the low rate again.",
)
@click.option("--warmup", type=FiniteRange(min=0), default=5.0, show_default=True)
@options(OUTPUT)
def step(**given: Any) -> None:
    """Raise the load at once, hold it, lower it, and report how soon the service follows.

    \b
      python -m loadtest step --url http://127.0.0.1:8000 --low 0.5 --high 3 \\
        --ray-address 127.0.0.1:6379 --html step.html

    With --ray-address it reports when more replicas were decided on and when they ran. Without, it reports
    only when latency recovered: under the objective's bound, or within 1.5 times its value before the rise.
    """
    rises_s = given["warmup"] + given["before"]
    falls_s = rises_s + given["hold"]
    plan = Step(rises_s, falls_s, falls_s + given["after"])
    window = Window(given["warmup"], plan.ends_s - given["warmup"])
    try:
        times = [
            *arrivals.poisson(given["low"], rises_s, given["seed"]),
            *(rises_s + at_s for at_s in arrivals.poisson(given["high"], given["hold"], given["seed"] + 1)),
            *(falls_s + at_s for at_s in arrivals.poisson(given["low"], given["after"], given["seed"] + 2)),
        ]
        summary = carry_out(trial(window, times, given, records=given["records"]))
    except (ClusterError, arrivals.ArrivalsError) as error:
        raise click.UsageError(str(error)) from error
    bound_s = given["slo"].latency_bound_s if given["slo"] else None
    reported = analyse(plan, given["warmup"], summary["series"], summary["replicas"], bound_s)
    summary["step"] = reported
    for name in ("time_to_decision_s", "time_to_replicas_s", "time_to_recovery_s"):
        words = name.removesuffix("_s").replace("_", " ")
        click.echo(f"{words:18} {'-' if reported[name] is None else f'{reported[name]:.1f} s'}")
    finish(summary, given["out"], given["html"])
