from __future__ import annotations

from typing import Any

import click

from ..cluster.replicas import ClusterError
from ..trial.fault_schedule import Fault, Faults, costs
from ..trial.trial import carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, TIME, options
from .run import ARRIVALS, run_trial
from .run_results import finish


@click.command()
@options(TARGET, ARRIVALS)
@click.option("--every", type=POSITIVE, default=20.0, show_default=True, help="Seconds between faults.")
@click.option(
    "--command", "commands", multiple=True, help="Shell command that causes a fault; may be repeated."
)
@click.option(
    "--end-replica",
    "deployments",
    multiple=True,
    help="End a replica of this deployment, or of `any`; may be repeated; needs --ray-address.",
)
@options(TIME, OUTPUT)
def chaos(commands: tuple[str, ...], deployments: tuple[str, ...], every: float, **given: Any) -> None:
    """Send a load, cause a fault every few seconds, and report what each costs the callers.

    \b
      python -m loadtest chaos --url http://127.0.0.1:8000 --rate 1 --every 20 \\
        --ray-address 127.0.0.1:6379 --end-replica Character --end-replica Merger --slo 'ok>=99.9%'

    Faults are drawn at random from those given, by --seed; each is reported with the requests in flight.
    """
    choices = [*(Fault(command=text) for text in commands), *(Fault(deployment=name) for name in deployments)]
    if not choices:
        raise click.UsageError("chaos needs a fault: --command or --end-replica")
    if deployments and given["ray_address"] is None:
        raise click.UsageError("--end-replica needs the cluster's --ray-address")
    trial = run_trial({**given, "users": None})
    trial.config.update(every=every, faults=[str(choice) for choice in choices])
    faults = Faults(choices, every, given["warmup"] + every / 2, trial.window.end_s, given["seed"])
    try:
        summary = carry_out(trial, faults)
    except ClusterError as error:
        raise click.UsageError(str(error)) from error
    last_s = max((record_s for record_s in summary["series"]["intended_s"]), default=0.0)
    summary["faults"] = costs(faults.struck, summary["series"], last_s + given["timeout_s"])
    for fault in summary["faults"]:
        slowest = "-" if fault["slowest_s"] is None else f"{fault['slowest_s']:.2f} s"
        click.echo(
            f"{fault['at_s']:7.1f} s   {fault['what']}: {fault.get('result', 'not done in time')}; of "
            f"{fault['requests']} requests {fault['failed']} failed, the slowest took {slowest}"
        )
    finish(summary, given["out"], given["html"])
