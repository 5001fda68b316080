"""Overload simulated generators on a real Ray: goodput by load, speed of refusals, lateness of 504s."""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import ray
import yaml
from ray.util import list_named_actors

from bench.pages.sections import write_section
from loadtest.analysis.summary import Window
from loadtest.traffic.arrivals import poisson
from loadtest.traffic.loops import Target
from loadtest.traffic.mix import Mix
from loadtest.traffic.record import Record, read
from loadtest.trial.trial import Trial, carry_out
from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port

REPOSITORY = Path(__file__).parents[1]
LOADS = (0.7, 0.9, 1.1, 1.5, 5.0)
TIRED, TIRED_LOAD = 3.0, 0.9
"""In the last run every step becomes this many times slower half-way, which nothing can foresee."""
STEP_S, STEPS, PICTURES, REPLICAS = 0.1, (10, 20, 30), 2, 2
DEADLINES_S = (8.0, 14.0, 20.0)
CAPACITY = REPLICAS * PICTURES / (STEP_S * (1 + 0.7 * (PICTURES - 1)))
"""Steps a second of each layer with every forward full: counted in steps, since requests differ in length."""
TITLES = (
    *("load", "offered, steps/s", "goodput, steps/s", "200", "429", "504", "other"),
    *("429 p50/p99 ms", "504 delay, max ms"),
)
Figures = dict[str, float | int | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--duration", type=float, default=40.0, help="seconds to measure each load")
    parser.add_argument("--quick", action="store_true", help="smoke test: three loads, a few seconds each")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write the table into this folder's reliability.md")
    arguments = parser.parse_args()
    loads, duration_s = (LOADS[-2:], 5.0) if arguments.quick else (LOADS, arguments.duration)
    head = (
        f"{REPLICAS} replicas of each generator, simulated, capacity {CAPACITY:.1f} steps/s."
        f" {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}."
    )
    print(f"SIMULATED generators on a real Ray. {head}", flush=True)
    print(row(TITLES))
    measured = {}
    with local_cluster.running(config(), "127.0.0.1", free_port()) as url:
        learn(url)
        for load in loads:
            measured[load] = measure(url, load, duration_s)
            print(row(cells(f"{load:g}", measured[load])), flush=True)
        with later(window(duration_s).warmup_s + duration_s / 2, tire):
            tired = measure(url, TIRED_LOAD, duration_s)
        print(row(cells(f"{TIRED_LOAD:g}*", tired)), flush=True)
        print(f"* halfway through, all steps become {TIRED:g} times as slow")
    peak = max(figures["goodput"] or 0.0 for load, figures in measured.items() if load < LOADS[-1])
    kept = (measured[LOADS[-1]]["goodput"] or 0.0) / peak if peak else 0.0
    print(f"goodput at {LOADS[-1]:g} times the capacity: {100 * kept:.0f}% of its peak at lower loads")
    if arguments.json:
        results = {"loads": measured, "tired": tired, "kept": kept}
        arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.docs:
        write_section(arguments.docs / "reliability.md", "overload", page(head, measured, tired, kept))


def config() -> ServiceConfig:
    arguments = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        arguments[kind]["generator"]["simulated"]["step_s"] = STEP_S
        # Each load requests the same pictures as the one before: none may be served from a cache.
        arguments[kind]["generator"]["generation"] = {"max_rows": 2 * PICTURES, "result_cache_bytes": 0}
        arguments[kind]["replicas"] |= {"num_replicas": REPLICAS, "max_ongoing_requests": 4 * PICTURES}
    return ServiceConfig.model_validate(arguments)


def learn(url: str) -> None:
    """Paint the first pictures, from which the replicas learn their speed."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        for seed in range(4):
            http.post(
                "/v1/scenes", json={"character": "x", "background": "y", "seed": seed}
            ).raise_for_status()


def window(duration_s: float) -> Window:
    return Window(max(DEADLINES_S) / 2, duration_s)


def measure(url: str, load: float, duration_s: float) -> Figures:
    measured = window(duration_s)
    entries = [
        {"name": f"{steps} steps within {deadline_s:g} s", "steps": [steps], "frame": ["256x128"]}
        | {"fields": {"deadline_s": deadline_s}}
        for steps, deadline_s in product(STEPS, DEADLINES_S)
    ]
    mix = Mix.model_validate({"characters": ["a knight"], "backgrounds": ["a castle"], "requests": entries})
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "records.jsonl"
        scenes_per_s = load * CAPACITY / (sum(STEPS) / len(STEPS))
        arrivals = poisson(scenes_per_s, measured.end_s, seed=1)
        carry_out(Trial(Target(url), mix, measured, 1, arrivals, records=records, quiet=True))
        return figures(list(read(records)), measured)


def figures(records: Sequence[Record], window: Window) -> Figures:
    """Summarise the requests intended for the measured window. Goodput counts those that ended in it."""
    arguments = [each for each in records if window.holds(each.intended_s)]
    good = [each for each in records if each.ok and window.holds(each.done_s)]
    refused_ms = sorted(1e3 * (each.done_s - each.sent_s) for each in arguments if each.status == 429)
    counts = {status: sum(each.status == status for each in arguments) for status in (200, 429, 504)}
    return {
        "asked": sum(map(steps_of, arguments)) / window.duration_s,
        "goodput": sum(map(steps_of, good)) / window.duration_s,
        **{f"answered_{status}": count for status, count in counts.items()},
        "answered_otherwise": len(arguments) - sum(counts.values()),
        "refused_p50_ms": refused_ms[len(refused_ms) // 2] if refused_ms else None,
        "refused_p99_ms": refused_ms[len(refused_ms) * 99 // 100] if refused_ms else None,
        "late_ms": max(lateness_ms(arguments), default=None),
    }


def steps_of(record: Record) -> int:
    return int(record.entry.split()[0])


def lateness_ms(records: Sequence[Record]) -> Iterator[float]:
    """Yield how long after the caller's deadline each 504 came. An early one was for a hopeless request."""
    for each in records:
        if each.status == 504:
            deadline_s = float(each.entry.split()[3])
            yield 1e3 * (each.done_s - each.sent_s - deadline_s)


@contextmanager
def later(after_s: float, act: Callable[[], None]) -> Iterator[None]:
    """Run `act` after `after_s` seconds, in parallel with the block. Raises any error that `act` raises."""
    with ThreadPoolExecutor(1) as thread:

        def wait_and_act() -> None:
            time.sleep(after_s)
            act()

        acted = thread.submit(wait_and_act)
        yield
        acted.result()


def tire() -> None:
    """Slow down the steps of every running generator."""

    def slower(replica: Any) -> None:
        painter = replica._replica_impl._user_callable_wrapper.user_callable._engine._painter
        painter._config = replace(painter._config, step_s=TIRED * STEP_S)

    actors = [
        ray.get_actor(**each) for each in list_named_actors(all_namespaces=True) if is_generator(**each)
    ]
    assert len(actors) == 2 * REPLICAS
    ray.get([actor.__ray_call__.remote(slower) for actor in actors])


def is_generator(name: str, namespace: str) -> bool:
    return "#Character#" in name or "#Background#" in name


def cells(load: str, figures: Figures) -> list[str]:
    def ms(name: str) -> str:
        value = figures[name]
        return "-" if value is None else f"{value:.0f}"

    counts = (str(figures[f"answered_{status}"]) for status in (200, 429, 504, "otherwise"))
    rates = (f"{figures[name]:.1f}" for name in ("asked", "goodput"))
    return [load, *rates, *counts, f"{ms('refused_p50_ms')}/{ms('refused_p99_ms')}", ms("late_ms")]


def row(cells: Sequence[str]) -> str:
    widths = (6, 15, 17, 7, 7, 7, 7, 16, 0)
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))


def page(head: str, measured: Mapping[float, Figures], tired: Figures, kept: float) -> str:
    rows = [*((f"{load:g}", figures) for load, figures in measured.items()), (f"{TIRED_LOAD:g}*", tired)]
    return "\n".join(
        [
            head,
            "",
            f"| {' | '.join(TITLES)} |",
            f"|{'---|' * len(TITLES)}",
            *(f"| {' | '.join(cells(load, figures))} |" for load, figures in rows),
            "",
            f"\\* Halfway through, all steps become {TIRED:g} times as slow, without warning. At"
            f" {LOADS[-1]:g} times the capacity the goodput is {100 * kept:.0f}% of its peak at lower loads.",
        ]
    )


if __name__ == "__main__":
    main()
