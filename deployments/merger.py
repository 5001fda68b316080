"""The merger's replica: two layers in, one encoded picture out, on a CPU."""

from __future__ import annotations

import asyncio
import time

import numpy as np
from PIL import Image

from deployments.errors import CutoutFailed
from deployments.imaging.attribution import mark
from deployments.imaging.encoding import encode
from deployments.imaging.enhancing import enhance
from deployments.imaging.pasting import paste
from deployments.messages import LayerResult, MergeJob, MergeResult, OutputOptions, Picture, Pixels


class Merger:
    """Stateless, so any replica may merge anything; pixels come straight from the generators' replicas."""

    async def merge(self, job: MergeJob, character: LayerResult, background: LayerResult) -> MergeResult:
        """Raises CutoutFailed where `cutout` was insisted on and there is no good matte."""
        return await asyncio.to_thread(_merge, job, character, background)

    async def encode(self, output: OutputOptions, layer: LayerResult) -> Picture:
        """One layer alone, as a file."""
        return await asyncio.to_thread(encode, layer.pixels, output)


def _merge(job: MergeJob, character: LayerResult, background: LayerResult) -> MergeResult:
    started = time.perf_counter()
    if job.options.mode == "cutout":
        raise CutoutFailed("no cut-out is available here; use merge.mode auto or paste", "merge.mode")
    picture, box = paste(character.pixels, background.pixels, job.options)
    if job.enhance:
        picture = enhance(picture)
    if job.attribution is not None:
        picture = mark(picture, job.attribution)
    merged = time.perf_counter()
    layers = {}
    if job.layers:
        lossless = OutputOptions("png")
        parts: dict[str, Pixels | Image.Image] = {
            "character": character.pixels,
            "background": background.pixels,
            "mask": _mask(character),
        }
        layers = {name: encode(part, lossless) for name, part in parts.items()}
    encoded = encode(picture, job.output, optimize=True)
    return MergeResult(
        encoded,
        "paste",
        0.0,
        box,
        merge_ms=1e3 * (merged - started),
        output_ms=1e3 * (time.perf_counter() - merged),
        layers=layers,
    )


def _mask(character: LayerResult) -> Image.Image:
    """What of the character was pasted: its own alpha, or all of it."""
    pixels = character.pixels
    if pixels.shape[2] == 4:
        return Image.fromarray(pixels[..., 3])
    return Image.fromarray(np.full(pixels.shape[:2], 255, np.uint8))
