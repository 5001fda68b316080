"""Time the steps of a picture in progress while a replica reads LoRAs."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from bench.lora.files import SUFFIX
from deployments.background import Background
from deployments.diffusion.model.model_config import ModelConfig
from deployments.generator import Generator, GeneratorConfig
from deployments.messages import LayerJob, LoraUse

FOREVER = 1_000
"""Steps of the watched picture, which is cancelled at the end."""
WITHIN_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The seconds of steps without a reading, of steps during one, and of each reading of a LoRA."""

    alone_s: list[float]
    meanwhile_s: list[float]
    reading_s: list[float]

    @property
    def usual_s(self) -> float:
        return statistics.median(self.alone_s)

    def stall(self, steps_s: Sequence[float]) -> float:
        """Return how much longer the longest of these took than a usual step, in usual steps."""
        return max(steps_s) / self.usual_s - 1


def watch(source: str, folder: Path, size: tuple[int, int], threads: int, steps: int) -> Seen:
    """Paint one picture. After `steps` steps read all LoRAs of the folder, one after another."""
    model = ModelConfig(source, device="cpu", threads=threads, lora_folder=str(folder))
    return asyncio.run(_watch(Background(GeneratorConfig(model)), folder, size, steps))


async def _watch(replica: Generator, folder: Path, size: tuple[int, int], steps: int) -> Seen:
    begun: list[float] = []
    unet = replica._engine._painter._pipeline.unet  # type: ignore[attr-defined]
    unet.register_forward_pre_hook(lambda *_: begun.append(time.perf_counter()))
    painting = asyncio.create_task(_paint(replica, size))
    readings: list[tuple[float, float]] = []
    try:
        await _after(begun, steps, painting)
        for file in sorted(folder.glob(f"*{SUFFIX}")):
            use = LoraUse(name=file.stem, sha256=sha256(file.read_bytes()).hexdigest())
            await _after(begun, len(begun) + 3, painting)
            began = time.perf_counter()
            async with replica._loras.lent([use], time.monotonic() + WITHIN_S):
                readings.append((began, time.perf_counter()))
        await _after(begun, len(begun) + steps, painting)
    finally:
        painting.cancel()
        await asyncio.gather(painting, return_exceptions=True)
    spans = list(pairwise(begun))[2:]  # The first ones allocate memory.
    apart = [(end - begin, _meets(begin, end, readings)) for begin, end in spans]
    return Seen(
        alone_s=[took for took, meanwhile in apart if not meanwhile],
        meanwhile_s=[took for took, meanwhile in apart if meanwhile],
        reading_s=[end - begin for begin, end in readings],
    )


def _meets(begin: float, end: float, others: Sequence[tuple[float, float]]) -> bool:
    return any(begin < other_end and other_begin < end for other_begin, other_end in others)


async def _after(begun: Sequence[float], count: int, painting: asyncio.Task[None]) -> None:
    """Wait until `count` steps have begun. Raises the error that ended the painting early, if any."""
    while len(begun) < count:
        if painting.done():
            painting.result()
        await asyncio.sleep(0.005)


async def _paint(replica: Generator, size: tuple[int, int]) -> None:
    width, height = size
    job = LayerJob(
        request_id="watched",
        kind="background",
        prompt="a castle",
        num_inference_steps=FOREVER,
        guidance_scale=6.0,
        seed=1,
        width_px=width,
        height_px=height,
        deadline_at=time.monotonic() + WITHIN_S,
    )
    async with aclosing(replica.stream(job)) as events:
        async for _ in events:
            pass
