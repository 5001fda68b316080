"""Run Scenewright's two engines in one process, a thread each, and nothing else: no HTTP, no Ray, no merging.

It prints as JSON the scenes a second, and the steps a second of each layer, that a number of callers get.
Each caller waits for both layers before it requests the next scene.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))  # bench/ is not installed.

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import Generator, GeneratorConfig
from deployments.messages import LayerJob, LayerKind
from loadtest.traffic import mix as mixes
from loadtest.traffic.request_plan import PlannedRequest, endless

SIZES: dict[LayerKind, tuple[int, int]] = {"character": (384, 512), "background": (512, 384)}
GUIDANCE: dict[LayerKind, float] = {"character": 7.5, "background": 6.0}


def main(mix: Path, users: int, warmup_s: float, duration_s: float) -> None:
    engines: list[Generator] = [Character(_config("character")), Background(_config("background"))]
    ended = asyncio.run(_closed_loop(engines, endless(mixes.load(mix), seed=0), users, warmup_s + duration_s))
    steps = [steps for at, steps in ended if warmup_s <= at < warmup_s + duration_s]
    print(json.dumps({"throughput_rps": len(steps) / duration_s, "steps_s": sum(steps) / duration_s}))


def _config(kind: LayerKind) -> GeneratorConfig:
    return GeneratorConfig(ModelConfig(f"storybook-{kind}", threads=1))


async def _closed_loop(
    engines: list[Generator], requests: Iterator[PlannedRequest], users: int, until_s: float
) -> list[tuple[float, int]]:
    """Return when each scene ended, in seconds from the start, and its steps."""
    begun, ended = time.monotonic(), list[tuple[float, int]]()

    async def call() -> None:
        while time.monotonic() - begun < until_s:
            request = next(requests)
            await asyncio.gather(*(engine.paint(_job(request, engine.kind)) for engine in engines))
            ended.append((time.monotonic() - begun, request.body["character"]["num_inference_steps"]))

    await asyncio.gather(*(call() for _ in range(users)))
    return ended


def _job(request: PlannedRequest, kind: LayerKind) -> LayerJob:
    layer, (width, height) = request.body[kind], SIZES[kind]
    return LayerJob(
        request_id=str(request.index),
        kind=kind,
        prompt=layer["prompt"],
        num_inference_steps=layer["num_inference_steps"],
        guidance_scale=GUIDANCE[kind],
        seed=request.body["seed"],
        width_px=width,
        height_px=height,
        deadline_at=time.monotonic() + 600,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
