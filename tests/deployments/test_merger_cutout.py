"""The merger's replica: its report of a merge, and the files it makes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.errors import CutoutFailed, InvalidRequest
from deployments.merger import Merger
from deployments.messages import (
    LayerResult,
    LayerTimings,
    MergeJob,
    MergeOptions,
    OutputOptions,
    Picture,
    PictureFormat,
    Pixels,
)
from tests.support.known_alpha.sets import samples

BLACK = np.zeros((512, 384, 3), np.uint8)
PLACE = np.full((384, 512, 3), (90, 140, 110), np.uint8)


def layer(pixels: Pixels) -> LayerResult:
    return LayerResult("character", pixels, 1, "model", "simulated", LayerTimings(0, 0, 0, 0))


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.data))


@pytest.fixture(scope="module")
def figure() -> LayerResult:
    return layer(next(samples("plain", 1, held_out=True)).pixels)


async def test_a_cut_out_scene_says_how_sure_it_is(figure: LayerResult) -> None:
    result = await Merger().merge(MergeJob("r"), figure, layer(PLACE))
    assert (result.mode, result.warnings) == ("cutout", ())
    assert result.confidence >= 0.5


async def test_a_fallback_says_why_and_insisting_fails() -> None:
    result = await Merger().merge(MergeJob("r"), layer(BLACK), layer(PLACE))
    assert (result.mode, result.confidence) == ("paste", 0)
    assert "could not be cut out" in result.warnings[0]
    with pytest.raises(CutoutFailed):
        await Merger().merge(MergeJob("r", MergeOptions(mode="cutout")), layer(BLACK), layer(PLACE))


@pytest.mark.parametrize("picture_format", ["png", "webp"])
async def test_a_character_alone_is_rgba(figure: LayerResult, picture_format: PictureFormat) -> None:
    picture = opened(await Merger().cut_out(OutputOptions(picture_format), figure))
    assert (picture.mode, picture.size) == ("RGBA", (384, 512))
    assert picture.getchannel("A").getextrema() == (0, 255)


async def test_a_character_alone_needs_transparency_and_a_figure(figure: LayerResult) -> None:
    with pytest.raises(InvalidRequest, match="png or webp"):
        await Merger().cut_out(OutputOptions("jpeg"), figure)
    with pytest.raises(CutoutFailed, match="confidence"):
        await Merger().cut_out(OutputOptions("png"), layer(BLACK))
