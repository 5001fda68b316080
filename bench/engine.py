"""The step engine against the stock pipeline and dynamic batching: throughput, and waiting under load."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before torch: the figures are for one core.
sys.path.insert(0, str(Path(__file__).parents[1]))  # bench/ is not installed.

import numpy as np
import torch

from bench.pages import engine as engine_page
from bench.step_engine.clocks import Clock, Meter
from bench.step_engine.contenders import Served, dynamic_batching, one_at_a_time, step_engine
from bench.step_engine.machine import machine
from bench.step_engine.workload import QUICK_STEPS, STEPS, Arrival, poisson, saturated
from deployments.diffusion.engine.calibration import calibrate
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig

LOAD = 0.8
"""Of what the stock pipeline can serve."""
Figures = dict[str, float | None]
Contender = Callable[[Sequence[Arrival], Clock], Served]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="storybook-character")
    parser.add_argument("--saturated", type=int, default=48, help="requests that come all at once")
    parser.add_argument(
        "--poisson", type=int, default=240, help="requests that come by chance: queues build up"
    )
    parser.add_argument("--clocks", nargs="+", choices=["cpu", "wall"], default=["cpu", "wall"])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32", help="of both sides")
    parser.add_argument("--compile", action="store_true", help="the step engine, and stock once more")
    parser.add_argument("--quick", action="store_true", help="a few small pictures: does it run?")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--docs", type=Path, help="also write them into performance.md in this folder")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    config = ModelConfig(asked.model, device="cpu", threads=1, dtype=asked.dtype)
    pipeline = load(config)
    denoiser = Denoiser(replace(config, compile=asked.compile))
    denoiser.load()
    size, steps, counts = (
        denoiser.native_size,
        STEPS,
        {"saturated": asked.saturated, "poisson": asked.poisson},
    )
    if asked.quick:
        size, steps, counts = (64, 64), QUICK_STEPS, {"saturated": 6, "poisson": 6}
        denoiser.native_size = size
    generation = GenerationConfig()
    calibration = calibrate(denoiser.measure, generation.max_rows, generation.calibration_s)
    meter = Meter(denoiser._pipeline)
    contenders: dict[str, Contender] = {
        "stock, one at a time": partial(one_at_a_time, pipeline),
        "dynamic batching": partial(dynamic_batching, pipeline),
        "step engine": partial(step_engine, denoiser, calibration),
    }
    if asked.compile:
        contenders["stock, compiled"] = partial(one_at_a_time, load(replace(config, compile=True)))
    for contender in contenders.values():  # The first picture of each allocates.
        contender(saturated(1, size, steps[:1]), Clock("cpu"))
    report: dict[str, Any] = {
        "machine": machine(),
        "model": asked.model,
        "dtype": asked.dtype,
        "compiled": asked.compile,
        "size": size,
        "counts": counts,
        "cap_rows": calibration.cap_rows,
        "ms_by_rows": {rows: 1e3 * seconds for rows, seconds in calibration.seconds.items()},
        "runs": {},
    }
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"{asked.model} {size[0]}x{size[1]}, requests of {steps} steps, one thread; ", end="")
    print(f"{asked.dtype}, {'compiled, ' if asked.compile else ''}{calibration.cap_rows} rows a forward")
    for kind in asked.clocks:
        figures = _compare(contenders, saturated(counts["saturated"], size, steps), kind, meter)
        _print(f"saturated by {counts['saturated']}, {kind} clock", figures)
        rate = LOAD * (figures["stock, one at a time"]["pictures_per_s"] or 1.0)
        paced = _compare(contenders, poisson(counts["poisson"], rate, size, steps), kind, meter)
        _print(f"{counts['poisson']} by Poisson at {LOAD} of stock's capacity, {kind} clock", paced)
        report["runs"][kind] = {"saturated": figures, "poisson": paced}
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1))
    if asked.docs:
        engine_page.write(report, asked.docs)


def _compare(
    contenders: dict[str, Contender], arrivals: list[Arrival], kind: str, meter: Meter
) -> dict[str, Figures]:
    figures = {}
    for name, contender in contenders.items():
        clock, cpu, meter.spent_s = Clock(kind), Clock("cpu"), 0.0
        served = contender(arrivals, clock)
        assert len(served) == len(arrivals)
        figures[name] = _figures(served, clock)
        if meter.spent_s:
            figures[name]["overhead_percent"] = 100 * (1 - meter.spent_s / cpu.busy_s())
    return figures


def _figures(served: Served, clock: Clock) -> Figures:
    """Seconds from a request's arrival to its picture."""

    def mean_of(wanted: Callable[[int], bool]) -> float | None:
        waits = [wait for arrival, wait in served if wanted(arrival.request.num_inference_steps)]
        return statistics.mean(waits) if waits else None

    return {
        "pictures_per_s": len(served) / clock.busy_s(),
        "mean_s": mean_of(lambda steps: True),
        "p95_s": float(np.percentile([wait for _, wait in served], 95)),
        "short_mean_s": mean_of(lambda steps: steps <= 8),
        "long_mean_s": mean_of(lambda steps: steps >= 50),
    }


def _print(title: str, figures: dict[str, Figures]) -> None:
    columns = ("pictures_per_s", "mean_s", "p95_s", "short_mean_s", "long_mean_s", "overhead_percent")
    heads = ("pictures/s", "mean s", "p95 s", "<= 8 steps s", "50 steps s", "overhead %")
    print(f"\n{title}\n{'':28}" + "".join(f"{head:>14}" for head in heads))
    stock = figures["stock, one at a time"]
    for name, row in figures.items():
        values = [row.get(column) for column in columns]
        print(
            f"{name:28}" + "".join(f"{'' if value is None else format(value, '.3f'):>14}" for value in values)
        )
    ours = figures["step engine"]
    pairs = [(ours[column], stock[column]) for column in columns[:-1]]
    ratios = [f"{one / other:.2f}" if one and other else "" for one, other in pairs]
    print(f"{'step engine / stock':28}" + "".join(f"{ratio:>14}" for ratio in ratios))


if __name__ == "__main__":
    main()
