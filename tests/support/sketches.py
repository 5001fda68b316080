"""Paint simulated layers with previews; a test can hold them half-way or make them impossible to cut out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace

import numpy as np

from deployments.background import Background
from deployments.character import Character
from deployments.imaging.files.picture_encoding import encode
from deployments.imaging.placeholder import placeholder
from deployments.messages import LayerJob, LayerResult, OutputOptions, StepEvent

HELD = threading.Event()
"""While this is set, every layer waits half-way."""


CROWDED = threading.Event()
"""While this is set, a character is noise, from which nothing can be cut out."""


class Sketches:
    """Add a preview to every other step of a simulated layer, whose engine sends none, and obey HELD."""

    async def stream(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[StepEvent | LayerResult, None]:
        small = placeholder(job.kind, 96, 96, job.prompt)
        sketch = encode(small, OutputOptions("jpeg", 70)).data if job.previews else None
        async for item in super().stream(job, files):  # type: ignore[misc]
            drawn = isinstance(item, StepEvent) and item.preview is None and item.step % 2 == 0
            yield replace(item, preview=sketch) if drawn else item
            while HELD.is_set() and isinstance(item, StepEvent) and 2 * item.step >= item.steps:
                await asyncio.sleep(0.02)


class SketchedCharacter(Sketches, Character):
    async def stream(
        self, job: LayerJob, files: Mapping[str, bytes] | None = None
    ) -> AsyncGenerator[StepEvent | LayerResult, None]:
        async for item in super().stream(job, files):
            if isinstance(item, LayerResult) and CROWDED.is_set():
                noise = np.random.default_rng(0).integers(0, 256, item.pixels.shape, np.uint8)
                item = replace(item, pixels=noise)
            yield item


class SketchedBackground(Sketches, Background): ...
