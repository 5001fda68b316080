"""Overload on a real Ray, simulated generators: goodput by load, how fast refusals are, how late a 504 is."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import ray
import yaml
from ray.util import list_named_actors

from bench.pages.sections import write_section
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
TIRED, TIRED_LOAD = 3.0, 0.9
"""At last every step becomes so much slower in the middle of a run, which no door can have foreseen."""
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
    parser.add_argument("--docs", type=Path, help="also write the table into reliability.md in this folder")
    asked = parser.parse_args()
    loads, duration_s = (LOADS[-2:], 5.0) if asked.quick else (LOADS, asked.duration)
    head = (
        f"{REPLICAS} replicas of each generator, simulated, capacity {CAPACITY:.2f} scenes/s."
        f" {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}."
    )
    print(f"SIMULATED generators on a real Ray. {head}", flush=True)
    print("load  asked/s  goodput/s  200    429    504    other  429 p50/p99 ms  504 late by at most ms")
    measured = {}
    with local_cluster.running(config(), "127.0.0.1", local_cluster.free_port()) as url:
        learn(url)
        for load in loads:
            measured[load] = measure(url, load, duration_s)
            print(line(f"{load:g}", measured[load]), flush=True)
        with later(duration_s / 2, tire):
            tired = measure(url, TIRED_LOAD, duration_s)
        print(line(f"{TIRED_LOAD:g}*", tired), flush=True)
        print(f"* and half-way all steps become {TIRED:g} times as slow")
    peak = max(figures["goodput_per_s"] or 0.0 for figures in measured.values())
    at_five = measured[LOADS[-1]]["goodput_per_s"] or 0.0
    kept = at_five / peak if peak else 0.0
    print(f"goodput at {LOADS[-1]:g} times the capacity: {100 * kept:.0f}% of its peak")
    if asked.json:
        told = {"loads": measured, "tired": tired, "kept": kept}
        asked.json.write_text(json.dumps(told, indent=2) + "\n")
    if asked.docs:
        write_section(asked.docs / "reliability.md", "overload", page(head, measured, tired, kept))


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


@contextmanager
def later(after_s: float, act: Callable[[], None]) -> Iterator[None]:
    timer = threading.Timer(after_s, act)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def tire() -> None:
    """Every generator's steps become slower where it runs."""

    def slower(replica: Any) -> None:
        painter = replica._replica_impl._user_callable_wrapper.user_callable._engine._painter
        painter._config = replace(painter._config, step_s=TIRED * STEP_S)

    for actor in list_named_actors(all_namespaces=True):
        if "#Character#" in actor["name"] or "#Background#" in actor["name"]:
            ray.get(ray.get_actor(**actor).__ray_call__.remote(slower))


def cells(load: str, figures: Figures) -> list[str]:
    def ms(name: str) -> str:
        value = figures[name]
        return "-" if value is None else f"{value:.0f}"

    counts = (str(figures[f"answered_{status}"]) for status in (200, 429, 504, "otherwise"))
    rates = (f"{figures[name]:.2f}" for name in ("asked_per_s", "goodput_per_s"))
    return [load, *rates, *counts, f"{ms('refused_p50_ms')}/{ms('refused_p99_ms')}", ms("late_ms")]


def line(load: str, figures: Figures) -> str:
    widths = (6, 9, 11, 7, 7, 7, 7, 16, 0)
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells(load, figures), widths, strict=True))


def page(head: str, measured: Mapping[float, Figures], tired: Figures, kept: float) -> str:
    rows = [*((f"{load:g}", figures) for load, figures in measured.items()), (f"{TIRED_LOAD:g}*", tired)]
    titles = (
        "load",
        "asked/s",
        "goodput/s",
        "200",
        "429",
        "504",
        "other",
        "429 p50/p99 ms",
        "504 late by, ms",
    )
    return "\n".join(
        [
            head,
            "",
            f"| {' | '.join(titles)} |",
            f"|{'---|' * len(titles)}",
            *(f"| {' | '.join(cells(load, figures))} |" for load, figures in rows),
            "",
            f"\\* Half-way all steps become {TIRED:g} times as slow, which no door can have foreseen. At"
            f" {LOADS[-1]:g} times the capacity the goodput is {100 * kept:.0f}% of its peak.",
        ]
    )


if __name__ == "__main__":
    main()
