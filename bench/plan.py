"""Compare the plan with measurements: p95 of four real services under three loads each, and as planned."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import ray
import yaml

from bench.pages.sections import write_section
from loadtest.analysis.summary import Window
from loadtest.traffic.arrivals import poisson
from loadtest.traffic.loops import Target
from loadtest.traffic.mix import Mix
from loadtest.traffic.record import Record, read
from loadtest.trial.trial import Trial, carry_out
from scenewright import Scenewright
from serve.config.service_config import ServiceConfig
from serve.planning.device_profile import Profile
from serve.planning.measuring import measure
from serve.planning.simulation import BRANCHES, WARM_UP, Setup, simulate
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port

REPOSITORY = Path(__file__).parents[1]
SETUPS = (Setup(1, 1, 1), Setup(2, 1, 1), Setup(2, 2, 1), Setup(3, 2, 1))
LOADS = (0.5, 0.65, 0.8)
"""Loads, as shares of what the slower branch can do with every forward full."""
STEP_S, PICTURES, MOST_TRIED = 0.03, 4, 8
"""PICTURES of the native size fit in one forward. More of a smaller size fit, as the profile finds."""
MIX = Mix.model_validate(
    {"characters": ["a knight"], "backgrounds": ["a castle"], "requests": [{"name": "scene"}]}
)
WARMED = 1 / (1 - WARM_UP)
"""The simulation leaves out its first scenes, and so does the measurement."""


@dataclass(frozen=True)
class Compared:
    """One service under one load: the latencies, in seconds, of the scenes after the warm-up."""

    setup: Setup
    rps: float
    measured_s: np.ndarray
    planned_s: np.ndarray
    failed: int

    def percentiles(self, percent: float) -> tuple[float, float, float]:
        """Return the percentile in seconds as measured and as planned, and the plan's relative error."""
        measured, planned = (
            float(np.percentile(each, percent)) for each in (self.measured_s, self.planned_s)
        )
        return measured, planned, planned / measured - 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=60, help="scenes measured per service and load")
    parser.add_argument("--quick", action="store_true", help="smoke test: one service, a few scenes")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's cluster.md")
    arguments = parser.parse_args()
    setups, loads, scenes = (
        (SETUPS[:1], LOADS[:1], 12) if arguments.quick else (SETUPS, LOADS, arguments.scenes)
    )
    head = (
        f"{STEP_S:g} s a step of one picture, {PICTURES} pictures a forward, {scenes} scenes each."
        f" {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" Ray {ray.__version__}, load {os.getloadavg()[0]:.1f}."
    )
    print(f"SIMULATED generators on a real Ray. {head}", flush=True)
    profile = measured_profile()
    print(profile.model_dump_json(), flush=True)
    print("character background  scenes/s   p50 s real/plan   p95 s real/plan      off   failed", flush=True)
    compared = []
    for each in compare(profile, setups, loads, scenes):
        compared.append(each)
        print(line(each), flush=True)
    worst = max(abs(each.percentiles(95)[2]) for each in compared)
    print(f"the planned p95 is within {100 * worst:.1f}% of the measured one in all {len(compared)} cases")
    if arguments.json:
        arguments.json.write_text(json.dumps([figures(each) for each in compared], indent=2) + "\n")
    if arguments.docs:
        write_section(arguments.docs / "cluster.md", "plan", page(compared, head))


def measured_profile() -> Profile:
    """Measure a service with one replica of each kind, as `scenewright profile` does."""
    with (
        local_cluster.running(config(SETUPS[0]), "127.0.0.1", free_port()) as url,
        Scenewright(url) as service,
    ):
        return measure(
            service, "simulated", MOST_TRIED, 5.0, lambda text: print(f"profile: {text}", flush=True)
        )


def compare(
    profile: Profile, setups: Sequence[Setup], loads: Sequence[float], scenes: int
) -> Iterator[Compared]:
    """Send the same arrivals to the service and the simulation, so that chance affects both equally."""
    seeds = count(7)
    for setup in setups:
        most_rps = min(getattr(setup, kind) / getattr(profile, kind).crowded_s for kind in BRANCHES)
        with local_cluster.running(config(setup), "127.0.0.1", free_port()) as url:
            for load in loads:
                rps = load * most_rps
                arrivals = poisson(rps, WARMED * scenes / rps, seed=next(seeds))
                records = run(url, arrivals)
                begin = int(WARM_UP * len(arrivals))
                yield Compared(
                    setup,
                    rps,
                    np.array([each.latency_s for each in records[begin:] if each.ok]),
                    simulate(profile, setup, arrivals).latency_s,
                    sum(each.failed for each in records),
                )


def run(url: str, arrivals: Sequence[float]) -> list[Record]:
    """Send a request for each arrival. Return the records in the order of their arrival."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "records.jsonl"
        carry_out(
            Trial(Target(url), MIX, Window(0.0, arrivals[-1] + 1), 1, arrivals, records=file, quiet=True)
        )
        return sorted(read(file), key=lambda record: record.intended_s)


def config(setup: Setup) -> ServiceConfig:
    arguments = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in BRANCHES:
        arguments[kind]["generator"]["simulated"]["step_s"] = STEP_S
        # Each load requests the same pictures as the one before: none may be served from a cache.
        arguments[kind]["generator"]["generation"] = {"max_rows": 2 * PICTURES, "result_cache_bytes": 0}
        arguments[kind]["replicas"] |= {"num_replicas": getattr(setup, kind), "max_ongoing_requests": 64}
    return ServiceConfig.model_validate(arguments)


def line(each: Compared) -> str:
    (p50, p50_planned, _), (p95, p95_planned, off) = each.percentiles(50), each.percentiles(95)
    return (
        f"{each.setup.character:9}{each.setup.background:11}{each.rps:10.2f}{p50:12.2f} / {p50_planned:5.2f}"
        f"{p95:12.2f} / {p95_planned:5.2f}{100 * off:+8.1f}%{each.failed:9}"
    )


def figures(each: Compared) -> dict[str, Any]:
    (p50, p50_planned, _), (p95, p95_planned, off) = each.percentiles(50), each.percentiles(95)
    return {
        "character": each.setup.character,
        "background": each.setup.background,
        "scenes_per_s": each.rps,
        "p50_s": {"measured": p50, "planned": p50_planned},
        "p95_s": {"measured": p95, "planned": p95_planned, "off": off},
        "failed": each.failed,
    }


def page(compared: Sequence[Compared], head: str) -> str:
    rows = []
    for each in compared:
        (p50, p50_planned, _), (p95, p95_planned, off) = each.percentiles(50), each.percentiles(95)
        rows.append(
            f"| {each.setup.character} | {each.setup.background} | {each.rps:.2f} | {p50:.2f} |"
            f" {p50_planned:.2f} | {p95:.2f} | {p95_planned:.2f} | {100 * off:+.1f}% |"
            f" {each.failed} |"
        )
    return "\n".join(
        [
            head,
            "",
            "| character | background | scenes/s | p50 s | planned | p95 s | planned | p95 off by | failed |",
            "|---|---|---|---|---|---|---|---|---|",
            *rows,
        ]
    )


if __name__ == "__main__":
    main()
