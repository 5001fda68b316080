"""Layers and options for merges that must return clean layers."""

from __future__ import annotations

import asyncio
from io import BytesIO

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from deployments.merger import Merger
from deployments.messages import (
    LayerResult,
    LayerTimings,
    MergeJob,
    MergeOptions,
    MergeResult,
    OutputOptions,
    Picture,
    Pixels,
)
from tests.support.known_alpha.sets import samples

PNG = OutputOptions("png")


LARGE = next(each.pixels for each in samples("plain", 20, held_out=True) if each.alpha[-1].max() == 0)


FULL = np.asarray(Image.fromarray(LARGE).reduce(2))


CROPPED = FULL[:175]


NOISE = np.random.default_rng(3).integers(0, 256, (96, 64, 3), np.uint8)


PLACE = np.asarray(Image.effect_mandelbrot((192, 96), (-2, -1, 1, 1), 9).convert("RGB")) // 2 + 60


MERGER = Merger()


FRAMES = st.sampled_from([(256, 128), (128, 128), (64, 100), (101, 67), (192, 96)])


OPTIONS = st.builds(
    lambda mode, position, frame, scale, harmonize, shadow, contrast: MergeOptions(
        mode, position, *frame, scale, harmonize, shadow, contrast
    ),
    mode=st.sampled_from(["auto", "paste"]),
    position=st.sampled_from(["left", "center", "right"]) | st.floats(0, 1),
    frame=FRAMES,
    scale=st.floats(0.1, 4),
    harmonize=st.floats(0, 1),
    shadow=st.booleans(),
    contrast=st.none() | st.floats(0, 4),
)


NAMES = frozenset(MergeOptions.__dataclass_fields__)


def layer(pixels: Pixels) -> LayerResult:
    return LayerResult("character", pixels, 1, "model", "diffusers", LayerTimings(0, 0, 0, 0))


def painted(job: MergeJob, figure: Pixels = FULL, place: Pixels = PLACE) -> MergeResult:
    return asyncio.run(MERGER.merge(job, layer(figure), layer(place)))


def pixels(picture: Picture) -> Pixels:
    return np.asarray(Image.open(BytesIO(picture.data)))


def same(one: MergeResult, other: MergeResult) -> bool:
    assert (one.mode, one.box, one.warnings) == (other.mode, other.box, other.warnings)
    assert one.confidence == pytest.approx(other.confidence)
    return np.array_equal(pixels(one.picture), pixels(other.picture))
