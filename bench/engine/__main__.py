"""Measure the step engine against the stock pipeline and dynamic batching: throughput and waiting times."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # Before torch: the figures are for one core.
import numpy as np
import torch

from bench.engine import engine_page
from bench.engine.clocks import Clock, Meter
from bench.engine.contender_requests import (
    DIT_STEPS,
    QUICK_STEPS,
    STEPS,
    Arrival,
    counts_within,
    poisson,
    saturated,
)
from bench.engine.contenders import Served, dynamic_batching, one_at_a_time, step_engine
from bench.engine.measured_on import machine
from bench.engine.random_pipelines import random_pipeline
from deployments.diffusion.engine.calibration import calibrate
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.loader import compile_denoiser, load
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.registry import locate

RANDOM_DIT = "random-dit"
DIT_SIZE = (128, 128)
PIPELINE_MINUTES = 9.0
LOAD = 0.8
"""The load, as a share of what the stock pipeline can serve."""
Figures = dict[str, float | None]
Contender = Callable[[Sequence[Arrival], Clock], Served]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="storybook-character")
    parser.add_argument("--saturated", type=int, default=48, help="requests that arrive all at once")
    parser.add_argument(
        "--poisson",
        type=int,
        default=240,
        help="requests with Poisson arrivals, so that queues build up; 0 for none",
    )
    parser.add_argument(
        "--minutes",
        type=float,
        help="send as many requests as fit, instead of the two counts; 9 with --painter pipeline",
    )
    parser.add_argument(
        "--clocks", nargs="+", choices=["cpu", "wall"], help="default: both, or cpu with --minutes"
    )
    parser.add_argument(
        "--dtype", choices=["float32", "bfloat16"], default="float32", help="precision of both sides"
    )
    parser.add_argument(
        "--painter",
        choices=["denoiser", "pipeline"],
        default="denoiser",
        help="pipeline: also run with that painter, and then all with a random DiT of 100 M parameters",
    )
    parser.add_argument(
        "--compile", action="store_true", help="compile the step engine, and also run stock compiled"
    )
    parser.add_argument("--quick", action="store_true", help="smoke test: a few small pictures")
    parser.add_argument("--json", type=Path, help="also write the figures to this JSON file")
    parser.add_argument("--docs", type=Path, help="also write them into this folder's performance.md")
    arguments = parser.parse_args()
    if arguments.painter == "pipeline" and arguments.minutes is None:
        arguments.minutes = PIPELINE_MINUTES
    arguments.clocks = arguments.clocks or (["cpu", "wall"] if arguments.minutes is None else ["cpu"])
    torch.set_num_threads(1)
    models = [arguments.model, RANDOM_DIT] if arguments.painter == "pipeline" else [arguments.model]
    reports: list[dict[str, Any]] = []
    ends_at = time.perf_counter() + 60 * (arguments.minutes or 0.0)
    for number, model in enumerate(models):  # Each is written as soon as it is measured.
        share = (1 / 4, 1.0)[number] if len(models) == 2 else 1.0
        budget_s = share * (ends_at - time.perf_counter()) if arguments.minutes else None
        reports.append(_measure(arguments, model, budget_s))
        if arguments.json:
            reported = reports[0] | {"dit": reports[1]} if reports[1:] else reports[0]
            arguments.json.write_text(json.dumps(reported, indent=1))
        if arguments.docs:
            engine_page.write(reports[-1], arguments.docs)


def _measure(arguments: argparse.Namespace, model: str, budget_s: float | None) -> dict[str, Any]:
    """Measure all contenders with one model, within this budget if there is one.

    If both painters are compared, with the bundled model, there are no Poisson arrivals: what matters is
    which painter is faster, and how much time each spends outside the model.
    """
    began_at = time.perf_counter()
    config = ModelConfig(model, device="cpu", threads=1, dtype=arguments.dtype)
    pipeline = _pipeline(config, arguments)
    painters: dict[str, Denoiser | PipelinePainter] = {}
    if model != RANDOM_DIT:
        painters["step engine"] = Denoiser(replace(config, compile=arguments.compile))
    if arguments.painter == "pipeline":
        name = "step engine, pipelines" if painters else "step engine"
        painters[name] = PipelinePainter(replace(config, compile=arguments.compile))
    for painter in painters.values():
        painter.adopt(_pipeline(replace(config, compile=arguments.compile), arguments), locate(model))
    size, steps = next(iter(painters.values())).native_size, STEPS
    counts = {"saturated": arguments.saturated, "poisson": arguments.poisson}
    if model == RANDOM_DIT:
        size, steps = DIT_SIZE, DIT_STEPS
    compares_painters = len(painters) > 1
    if arguments.quick:
        size, steps = (64, 64), QUICK_STEPS
        counts = {"saturated": 6, "poisson": 0 if compares_painters else 6}
    for painter in painters.values():
        painter.native_size = size
    generation = GenerationConfig()
    calibration = calibrate(
        next(iter(painters.values())).measure, generation.max_rows, generation.calibration_s
    )
    meters = {name: Meter(painter._pipeline) for name, painter in painters.items()}
    contenders: dict[str, Contender] = {
        "stock, one at a time": partial(one_at_a_time, pipeline),
        "dynamic batching": partial(dynamic_batching, pipeline),
    }
    for name, painter in painters.items():
        contenders[name] = partial(step_engine, painter, calibration)
    if arguments.compile:
        compiled = _pipeline(replace(config, compile=True), arguments)
        contenders["stock, compiled"] = partial(one_at_a_time, compiled)
    for contender in contenders.values():  # The first picture of each allocates memory.
        contender(saturated(1, size, steps[:1]), Clock("cpu"))
    if budget_s is not None and not arguments.quick:
        left_s = budget_s - (time.perf_counter() - began_at)
        picture_s = statistics.mean(steps) * calibration.seconds.get(2, 2 * calibration.seconds[1])
        counts = counts_within(
            left_s / len(arguments.clocks), picture_s, len(contenders), len(steps), not compares_painters
        )
    report: dict[str, Any] = {
        "machine": machine(),
        "model": model,
        "painter": arguments.painter,
        "dtype": arguments.dtype,
        "compiled": arguments.compile,
        "size": size,
        "counts": counts,
        "cap_rows": calibration.cap_rows,
        "ms_by_rows": {rows: 1e3 * seconds for rows, seconds in calibration.seconds.items()},
        "runs": {},
    }
    print(", ".join(f"{name} {value}" for name, value in report["machine"].items()))
    print(f"{model} {size[0]}x{size[1]}, requests of {steps} steps, one thread; ", end="")
    print(
        f"{arguments.dtype}, {'compiled, ' if arguments.compile else ''}{calibration.cap_rows} rows a forward"
    )
    sys.stdout.flush()
    for kind in arguments.clocks:
        figures = _compare(contenders, saturated(counts["saturated"], size, steps), kind, meters)
        _print(f"saturated by {counts['saturated']}, {kind} clock", figures)
        report["runs"][kind] = {"saturated": figures}
        if not counts["poisson"]:
            continue
        rate = LOAD * (figures["stock, one at a time"]["pictures_per_s"] or 1.0)
        paced = _compare(contenders, poisson(counts["poisson"], rate, size, steps), kind, meters)
        _print(f"{counts['poisson']} by Poisson at {LOAD} of stock's capacity, {kind} clock", paced)
        report["runs"][kind]["poisson"] = paced
    return report


def _pipeline(config: ModelConfig, arguments: argparse.Namespace) -> Any:
    if config.source != RANDOM_DIT:
        return load(config)
    scale = "tiny" if arguments.quick else "full"
    pipeline = random_pipeline("dit", scale, "cpu", getattr(torch, arguments.dtype))
    if config.compile:
        compile_denoiser(pipeline, "cpu")
    return pipeline


def _compare(
    contenders: dict[str, Contender], arrivals: list[Arrival], kind: str, meters: dict[str, Meter]
) -> dict[str, Figures]:
    figures = {}
    for name, contender in contenders.items():
        for meter in meters.values():
            meter.spent_s = 0.0
        clock, cpu = Clock(kind), Clock("cpu")
        served = contender(arrivals, clock)
        assert len(served) == len(arrivals)
        figures[name] = _figures(served, clock)
        if name in meters:
            figures[name]["overhead_percent"] = 100 * (1 - meters[name].spent_s / cpu.busy_s())
    return figures


def _figures(served: Served, clock: Clock) -> Figures:
    """Return seconds from a request's arrival to its picture."""

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
    for name in figures:
        if name.startswith("step engine"):
            pairs = [(figures[name][column], stock[column]) for column in columns[:-1]]
            ratios = [f"{one / other:.2f}" if one and other else "" for one, other in pairs]
            print(f"{name + ' / stock':28}" + "".join(f"{ratio:>14}" for ratio in ratios))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
