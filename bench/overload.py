"""Overload on a real Ray, simulated generators: goodput by load, how fast refusals are, how late a 504 is."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import yaml

from loadtest.arrivals import poisson
from loadtest.mix import Mix
from loadtest.record import Record, read
from loadtest.summary import Window
from loadtest.traffic import Target
from loadtest.trial import Trial, carry_out
from serve import local_cluster
from serve.config import ServiceConfig

REPOSITORY = Path(__file__).parents[1]
LOADS = (0.7, 0.9, 1.1, 1.5, 5.0)
STEP_S, STEPS, PICTURES, REPLICAS = 0.1, (10, 20, 30), 2, 2
DEADLINES_S = (8.0, 14.0, 20.0)
CAPACITY = REPLICAS * PICTURES / (sum(STEPS) / len(STEPS) * STEP_S * (1 + 0.7 * (PICTURES - 1)))
"""Scenes a second where every forward is full."""
Figures = dict[str, float | int | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=60.0, help="seconds that are measured of each load")
    parser.add_argument("--quick", action="store_true", help="seconds of two loads: does it run?")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    asked = parser.parse_args()
    loads, duration_s = (LOADS[-2:], 5.0) if asked.quick else (LOADS, asked.duration)
    print(
        f"SIMULATED generators on a real Ray: {REPLICAS} replicas of each, capacity {CAPACITY:.2f} scenes/s."
        f" {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    print("load  asked/s  goodput/s  200    429    504    other  429 p50/p99 ms  504 late by at most ms")
    measured = {}
    with local_cluster.running(config(), "127.0.0.1", local_cluster.free_port()) as url:
        learn(url)
        for load in loads:
            measured[load] = measure(url, load, duration_s)
            print(line(load, measured[load]), flush=True)
    peak = max(figures["goodput_per_s"] or 0.0 for figures in measured.values())
    at_five = measured[LOADS[-1]]["goodput_per_s"] or 0.0
    kept = at_five / peak if peak else 0.0
    print(f"goodput at {LOADS[-1]:g} times the capacity: {100 * kept:.0f}% of its peak")
    if asked.json:
        asked.json.write_text(json.dumps({"loads": measured, "kept": kept}, indent=2) + "\n")


def config() -> ServiceConfig:
    arguments = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        arguments[kind]["generator"]["simulated"]["step_s"] = STEP_S
        arguments[kind]["generator"]["generation"] = {"max_rows": 2 * PICTURES}
        arguments[kind]["replicas"] |= {"num_replicas": REPLICAS, "max_ongoing_requests": 4 * PICTURES}
    return ServiceConfig.model_validate(arguments)


def learn(url: str) -> None:
    """The first pictures tell the replicas their speed."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        for seed in range(4):
            http.post(
                "/v1/scenes", json={"character": "x", "background": "y", "seed": seed}
            ).raise_for_status()


def measure(url: str, load: float, duration_s: float) -> Figures:
    """Of every request, the warm-up's too; goodput of what ended after it."""
    window = Window(max(DEADLINES_S) / 2, duration_s)
    entries = [
        {"name": f"within {deadline_s:g} s", "steps": list(STEPS), "frame": ["256x128"]}
        | {"fields": {"deadline_s": deadline_s}}
        for deadline_s in DEADLINES_S
    ]
    mix = Mix.model_validate({"characters": ["a knight"], "backgrounds": ["a castle"], "requests": entries})
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        arrivals = poisson(load * CAPACITY, window.end_s, seed=1)
        carry_out(Trial(Target(url), mix, window, 1, arrivals, records=records, quiet=True))
        return figures(list(read(records)), load, window)


def figures(records: Sequence[Record], load: float, window: Window) -> Figures:
    good = [each for each in records if each.ok and window.warmup_s <= each.done_s < window.end_s]
    refused_ms = sorted(1e3 * (each.done_s - each.sent_s) for each in records if each.status == 429)
    late_ms = list(lateness_ms(records))
    counts = {status: sum(each.status == status for each in records) for status in (200, 429, 504)}
    return {
        "asked_per_s": load * CAPACITY,
        "goodput_per_s": len(good) / window.duration_s,
        **{f"answered_{status}": count for status, count in counts.items()},
        "answered_otherwise": len(records) - sum(counts.values()),
        "refused_p50_ms": refused_ms[len(refused_ms) // 2] if refused_ms else None,
        "refused_p99_ms": refused_ms[len(refused_ms) * 99 // 100] if refused_ms else None,
        "late_ms": max(late_ms, default=None),
    }


def lateness_ms(records: Sequence[Record]) -> Iterator[float]:
    """Of a 504, after the deadline as the caller counts it; one that comes early was hopeless."""
    for each in records:
        if each.status == 504:
            deadline_s = float(each.entry.split()[1])
            yield 1e3 * (each.done_s - each.sent_s - deadline_s)


def line(load: float, figures: dict[str, Any]) -> str:
    def ms(name: str) -> str:
        return "-" if figures[name] is None else f"{figures[name]:.0f}"

    counts = "".join(f"{figures[f'answered_{status}']:<7}" for status in (200, 429, 504, "otherwise"))
    return (
        f"{load:<6g}{figures['asked_per_s']:<9.2f}{figures['goodput_per_s']:<11.2f}{counts}"
        f"{ms('refused_p50_ms')}/{ms('refused_p99_ms'):<12}{ms('late_ms')}"
    )


if __name__ == "__main__":
    main()
