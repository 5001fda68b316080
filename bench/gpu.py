"""Measure pipelines of real sizes and random weights: stock or step engine, compiled or not."""

from __future__ import annotations

import argparse
import gc
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.engine.clocks import Clock
from bench.engine.contender_requests import Arrival, saturated
from bench.engine.contenders import one_at_a_time, step_engine
from bench.engine.measured_on import machine
from bench.engine.random_pipelines import random_pipeline
from deployments.diffusion.engine.calibration import Calibration, calibrate
from deployments.diffusion.model.loader import compile_denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.networks import denoiser_of
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest

SIZES = {"sd15": (512, 512), "sdxl": (1024, 1024), "sd35": (1024, 1024), "flux": (1024, 1024)}
HALF = {"sd15": torch.float16, "sdxl": torch.float16, "sd35": torch.bfloat16, "flux": torch.bfloat16}
BUCKETS = (2, 4, 8, 16)
COLUMNS = {
    "family": "family",
    "compiled": "compiled",
    "stock_per_s": "stock/s",
    "engine_per_s": "engine/s",
    "ratio": "ratio",
    "stock_s": "stock s",
    "alone_s": "alone s",
    "stock_gib": "stock GiB",
    "engine_gib": "engine GiB",
    "cap_rows": "cap rows",
    "count": "pictures",
}
"""`stock_s` and `alone_s` are the latency of one picture alone, in the stock pipeline and in the engine."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="+", choices=list(SIZES), default=list(SIZES))
    parser.add_argument("--count", type=int, default=16, help="pictures per run")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--max-rows", type=int, default=32)
    parser.add_argument("--budget-s", type=float, help="seconds per run; fewer pictures if they take longer")
    compiled = parser.add_mutually_exclusive_group()
    compiled.add_argument("--no-compile", action="store_true", help="leave out the compiled runs")
    compiled.add_argument("--only-compiled", action="store_true", help="leave out the other runs")
    parser.add_argument("--quick", action="store_true", help="smoke test: tiny pipelines and pictures")
    parser.add_argument(
        "--json", type=Path, help="also write the figures to this JSON file as they are measured"
    )
    arguments = parser.parse_args()
    keep_compiled_code()
    facts = machine()
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print(
        "".join(f"{head:>12}" for head in COLUMNS.values()) + "  ms a row by rows; repeats bitwise at",
        flush=True,
    )
    rows: list[dict[str, Any]] = []
    told = {"machine": facts, "steps": arguments.steps, "runs": rows}
    for family in arguments.families:
        for is_compiled in [False] * (not arguments.only_compiled) + [True] * (not arguments.no_compile):
            row: dict[str, Any] = {}
            rows.append(row)
            _measure(family, is_compiled, arguments, row, told)
            print("".join(f"{_cell(row[column]):>12}" for column in COLUMNS), end="  ")
            print(f"{row['ms_a_row']}; {row['repeats_at']} of {row['buckets']}", flush=True)
            gc.collect()
            torch.cuda.empty_cache()


def keep_compiled_code() -> None:
    """Keep Inductor's cache in the state folder, so that nothing is compiled twice."""
    state = Path(os.environ.get("SCENEWRIGHT_STATE_DIR") or "~/.local/state/scenewright").expanduser()
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(state / "inductor"))


def _cell(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _measure(
    family: str, compiled: bool, arguments: argparse.Namespace, row: dict[str, Any], told: dict[str, Any]
) -> None:
    """Fill the row, figure by figure, and write all figures each time: the run may be ended at any time."""

    def note(**figures: Any) -> None:
        row.update(figures)
        if arguments.json:
            arguments.json.write_text(json.dumps(told, indent=1))

    began_at = time.perf_counter()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = HALF[family] if device == "cuda" else torch.float32
    scale, size, steps, count = "full", SIZES[family], arguments.steps, arguments.count
    max_rows, buckets = arguments.max_rows, BUCKETS
    if arguments.quick:
        scale, size, steps, count, max_rows, buckets = "tiny", (64, 64), 2, 2, 4, (2, 4)
    pipeline = random_pipeline(family, scale, device, dtype)
    parameters = sum(each.numel() for each in denoiser_of(pipeline).parameters())
    note(family=family, compiled=compiled, size=size, dtype=str(dtype), parameters=parameters)
    if compiled:
        compile_regions(pipeline, device)
    note(build_s=time.perf_counter() - began_at)
    arrivals = saturated(count, size, (steps,))
    first_s = _seconds(lambda: one_at_a_time(pipeline, arrivals[:1], Clock("wall")))
    _reset_peak()
    stock_s = _seconds(lambda: one_at_a_time(pipeline, arrivals[:1], Clock("wall")))
    note(first_s=first_s, stock_s=stock_s, stock_gib=_peak_gib())
    painter = painter_of(pipeline, family, compiled, size)
    left_s = arguments.budget_s - (time.perf_counter() - began_at) if arguments.budget_s else 600.0
    calibration = calibrate(painter.measure, max_rows, budget_s=min(60.0, left_s / 5))
    note(
        cap_rows=calibration.cap_rows,
        ms_a_row={rows: round(1e3 * s / rows, 1) for rows, s in calibration.seconds.items()},
    )
    alone_s = _engine_s(painter, calibration, arrivals[:1])
    note(alone_s=alone_s)
    if arguments.budget_s:
        left_s = arguments.budget_s - (time.perf_counter() - began_at)
        count = min(count, max(2, int(0.7 * left_s / (stock_s + alone_s))))
        arrivals = arrivals[:count]
    note(count=count)
    _reset_peak()
    engine_s = _engine_s(painter, calibration, arrivals)
    note(engine_per_s=count / engine_s, engine_gib=_peak_gib())
    all_stock_s = _seconds(lambda: one_at_a_time(pipeline, arrivals, Clock("wall")))
    note(stock_per_s=count / all_stock_s, ratio=all_stock_s / engine_s, buckets=list(buckets), repeats_at=[])
    for rows in buckets:
        left_s = arguments.budget_s - (time.perf_counter() - began_at) if arguments.budget_s else 1e9
        if left_s > 8 * alone_s * max(1.0, rows / calibration.cap_rows) and _repeats(painter, rows, arrivals):
            note(repeats_at=[*row["repeats_at"], rows])


def painter_of(pipeline: Any, family: str, compiled: bool, size: tuple[int, int]) -> PipelinePainter:
    """Return the painter that the service uses for every model unless the configuration says otherwise."""
    painter = PipelinePainter(ModelConfig(f"random-{family}", compile=compiled))
    painter.native_size = size
    painter.adopt(pipeline)
    return painter


def compile_regions(pipeline: Any, device: str) -> None:
    """Compile the repeated blocks once for all of them: that takes minutes less than the whole network."""
    network = denoiser_of(pipeline)
    if getattr(network, "_repeated_blocks", None):
        network.compile_repeated_blocks()
    else:
        compile_denoiser(pipeline, device)


def _engine_s(painter: Any, calibration: Calibration, arrivals: Sequence[Arrival]) -> float:
    return _seconds(lambda: step_engine(painter, calibration, arrivals, Clock("wall")))


def _seconds(act: Any) -> float:
    began = time.perf_counter()
    act()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def _reset_peak() -> None:
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def _peak_gib() -> float:
    return torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else 0.0


def _repeats(painter: Any, rows: int, arrivals: Sequence[Arrival]) -> bool:
    """Return whether a picture is bitwise the same alone, first and last among others, at this row count."""
    subject, *others = (arrival.request for arrival in arrivals)
    peers = others[: rows // painter.first_forwards(subject)[0] - 1]
    painter.fixed_rows = rows
    try:
        crowds = [[subject], [subject, *peers], [*peers, subject]]
        pictures = [_paint(painter, crowd, crowd.index(subject)) for crowd in crowds]
    finally:
        painter.fixed_rows = None
    return all(np.array_equal(picture, pictures[0]) for picture in pictures)


def _paint(painter: Any, crowd: Sequence[PaintRequest], which: int) -> Any:
    """Paint the crowd, and return picture number `which` as floats."""
    paintings = [painter.begin(request) for request in crowd]
    while paintings[which].done < paintings[which].steps:
        painter.step([painting for painting in paintings if painting.done < painting.steps])
    subject = paintings[which]
    painter.decode([subject])
    picture = subject.run.output.images[0]
    for painting in paintings:
        painting.close()
    return picture


if __name__ == "__main__":
    main()
