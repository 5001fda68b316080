from __future__ import annotations

import sys
from typing import Any

import click

from ..analysis import rate_search
from ..analysis.slo import Slo
from ..analysis.summary import Window
from ..cluster import machine
from ..cluster.replicas import ClusterError
from ..report.html_tables import seconds
from ..report.report_page import search_page
from ..traffic import arrivals
from ..trial.trial import carry_out
from .parameters import OUTPUT, POSITIVE, TARGET, FiniteRange, options, trial
from .run_results import INVALID, MET, MISSED, save, write

KEPT = (
    "requests",
    "ok",
    "cancelled",
    "errors",
    "offered_rps",
    "throughput_rps",
    "goodput_rps",
    "latency_s",
    "send_lag_s",
    "valid",
    "slo",
)


class GeneratorsLimit(Exception):
    """A probe was INVALID: the search has found the generator's highest rate, not the service's."""


@click.command()
@options(TARGET)
@click.option("--from", "start_rps", type=POSITIVE, default=0.5, show_default=True, help="First rate to try.")
@click.option(
    "--most",
    "most_rps",
    type=POSITIVE,
    default=1_000.0,
    show_default=True,
    help="Highest rate to try.",
)
@click.option("--precision", type=FiniteRange(0.01, 0.5), default=0.05, show_default=True)
@click.option(
    "--duration", type=POSITIVE, default=30.0, show_default=True, help="Measured seconds of a probe."
)
@click.option(
    "--confirm",
    type=POSITIVE,
    default=60.0,
    show_default=True,
    help="Measured seconds of the confirming run.",
)
@click.option("--warmup", type=FiniteRange(min=0), default=5.0, show_default=True)
@options(OUTPUT[:2])
def find(**given: Any) -> None:
    """Find the highest rate that meets the objective, and confirm it.

    \b
      python -m loadtest find --url http://127.0.0.1:8000 --slo 'p95<8s,ok>=99%' --html find.html

    Arrivals are Poisson. The rate doubles until the objective is missed, then the gap is halved. The rate
    found is run again, longer and with other arrivals, and lowered until it holds. Exits 1 if no rate holds,
    3 if the generator was the limit.
    """
    slo: Slo | None = given["slo"]
    if slo is None:
        raise click.UsageError("find needs an objective: --slo 'p95<8s,ok>=99%'")
    probes: list[dict[str, Any]] = []
    last: dict[str, Any] = {}

    def probe(rate_rps: float, confirms: bool) -> bool:
        window = Window(given["warmup"], given["confirm"] if confirms else given["duration"])
        seed = given["seed"] + len(probes)
        summary = carry_out(trial(window, arrivals.poisson(rate_rps, window.end_s, seed), given, seed=seed))
        last.update(summary)
        met = summary["valid"] and slo.met(summary)
        purpose = "confirm" if confirms else "search"
        kept = {name: summary[name] for name in KEPT}
        probes.append({"rate_rps": rate_rps, "purpose": purpose, "met": met, **kept})
        p95 = seconds(summary["latency_s"]["p95"] if summary["latency_s"] else None)
        verdict = "met" if met else "missed" if summary["valid"] else "INVALID"
        click.echo(f"{purpose:8} {rate_rps:8.3g}/s   p95 {p95}   {verdict}")
        if not summary["valid"]:
            raise GeneratorsLimit("; ".join(summary["invalid_because"]))
        return met

    limit = None
    rate = None
    try:
        rate = rate_search.highest(probe, given["start_rps"], given["most_rps"], given["precision"])
    except GeneratorsLimit as reached:
        limit = str(reached)
    except (ClusterError, arrivals.ArrivalsError) as error:
        raise click.UsageError(str(error)) from error
    found = {
        "rate_rps": rate,
        "confirmed": rate is not None,
        "slo": str(slo),
        "invalid_because": [limit] if limit else [],
        "probes": probes,
        "machine": machine.describe(),
        "config": last["config"],
    }
    save(found, given["out"])
    write(search_page(found), given["html"])
    if limit is not None:
        click.echo(f"INVALID: {limit}")
        sys.exit(INVALID)
    click.echo(f"{rate:.3g} requests a second meet {slo}" if rate else f"no rate tried meets {slo}")
    sys.exit(MET if rate else MISSED)
