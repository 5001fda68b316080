"""Measure SD 1.5- and SDXL-sized pipelines of random weights: stock or step engine, compiled or not."""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.engine.arrivals import Arrival, saturated
from bench.engine.clocks import Clock
from bench.engine.contenders import one_at_a_time, step_engine
from bench.engine.machine import machine
from bench.engine.random_pipelines import random_pipeline
from deployments.diffusion.engine.calibration import calibrate
from deployments.diffusion.model.denoiser import Denoiser, DiffusionPainting
from deployments.diffusion.model.loader import compile_denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.painter import PaintRequest

SIZES = {"sd15": (512, 512), "sdxl": (1024, 1024)}
BUCKETS = (2, 4, 8, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--count", type=int, default=16, help="pictures of each run")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--max-rows", type=int, default=32)
    parser.add_argument("--no-compile", action="store_true", help="leave the compiled runs out")
    parser.add_argument("--quick", action="store_true", help="tiny pipelines and pictures: does it run?")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"{'':14}{'compiled':>10}{'stock/s':>10}{'engine/s':>10}{'stock s':>10}{'cap rows':>10}", end="")
    print(f"{'peak GiB':>10}  ms a row by rows; repeats bitwise at")
    rows = []
    for family in arguments.families:
        for compiled in (False,) if arguments.no_compile else (False, True):
            row = _measure(family, compiled, arguments)
            rows.append(row)
            print(
                f"{family:14}{compiled!s:>10}{row['stock_per_s']:10.2f}{row['engine_per_s']:10.2f}"
                f"{row['stock_s']:10.2f}{row['cap_rows']:10}{row['peak_gib']:10.2f}  {row['ms_a_row']}; "
                f"{row['repeats_at']} of {row['buckets']}"
            )
            gc.collect()
            torch.cuda.empty_cache()
    if arguments.json:
        arguments.json.write_text(
            json.dumps({"machine": facts, "steps": arguments.steps, "runs": rows}, indent=1)
        )


def _measure(family: str, compiled: bool, arguments: argparse.Namespace) -> dict[str, Any]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float16 if device == "cuda" else torch.float32
    scale, size, steps, count = "full", SIZES[family], arguments.steps, arguments.count
    max_rows, buckets = arguments.max_rows, BUCKETS
    if arguments.quick:
        scale, size, steps, count, max_rows, buckets = "tiny", (64, 64), 2, 2, 4, (2, 4)
    pipeline = random_pipeline(family, scale, device, dtype)
    if compiled:
        compile_denoiser(pipeline, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    denoiser = Denoiser(ModelConfig(f"random-{family}", compile=compiled))
    denoiser.native_size = size
    denoiser.adopt(pipeline)
    calibration = calibrate(denoiser.measure, max_rows, budget_s=60.0)
    arrivals = saturated(count, size, (steps,))
    one_at_a_time(pipeline, arrivals[:1], Clock("wall"))
    step_engine(denoiser, calibration, arrivals[:1], Clock("wall"))
    stock_s = _seconds(lambda: one_at_a_time(pipeline, arrivals, Clock("wall")))
    engine_s = _seconds(lambda: step_engine(denoiser, calibration, arrivals, Clock("wall")))
    return {
        "family": family,
        "compiled": compiled,
        "size": size,
        "dtype": str(dtype),
        "stock_per_s": count / stock_s,
        "stock_s": stock_s / count,
        "engine_per_s": count / engine_s,
        "cap_rows": calibration.cap_rows,
        "ms_a_row": {rows: round(1e3 * s / rows, 1) for rows, s in calibration.seconds.items()},
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0,
        "buckets": list(buckets),
        "repeats_at": [rows for rows in buckets if _repeats(denoiser, rows, arrivals)],
    }


def _seconds(act: Any) -> float:
    began = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _repeats(denoiser: Denoiser, rows: int, arrivals: Sequence[Arrival]) -> bool:
    """Return whether a picture is bitwise the same alone, first and last among others, at this row count."""
    subject, *others = (arrival.request for arrival in arrivals)
    peers = others[: rows // 2 - 1]
    denoiser.fixed_rows = rows
    try:
        crowds = [[subject], [subject, *peers], [*peers, subject]]
        pictures = [_paint(denoiser, crowd, crowd.index(subject)) for crowd in crowds]
    finally:
        denoiser.fixed_rows = None
    return all(np.array_equal(picture, pictures[0]) for picture in pictures)


def _paint(denoiser: Denoiser, crowd: Sequence[PaintRequest], which: int) -> Any:
    paintings: list[DiffusionPainting] = [denoiser.begin(request) for request in crowd]
    while paintings[which].done < paintings[which].steps:
        denoiser.step([painting for painting in paintings if painting.done < painting.steps])
    return paintings[which].latents.cpu().numpy()


if __name__ == "__main__":
    main()
