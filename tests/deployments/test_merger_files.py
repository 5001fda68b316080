"""The merger with uploaded files: it accepts its own layers, and keeps what a file declares."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.errors import CutoutFailed, InvalidRequest
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.picture_encoding import encode
from deployments.imaging.marks.provenance import Provenance, declared_source
from deployments.merger import Merger
from deployments.messages import (
    LayerResult,
    LayerTimings,
    MergeJob,
    MergeOptions,
    OutputOptions,
    Picture,
    Pixels,
    UploadJob,
)
from tests.support.known_alpha.sets import samples

PNG = OutputOptions("png")
FRAME = MergeOptions(width_px=512, height_px=256)
PLACE = np.random.default_rng(1).integers(40, 200, (96, 192, 3), np.uint8)
FIGURE = next(samples("plain", 1, held_out=True)).pixels


def layer(pixels: Pixels) -> LayerResult:
    return LayerResult("character", pixels, 1, "model", "diffusers", LayerTimings(0, 0, 0, 0))


def png(pixels: Pixels, reported: Provenance | None = None) -> bytes:
    return encode(pixels, PNG, provenance=reported).data


def upload(character: bytes, background: bytes, options: MergeOptions = FRAME) -> UploadJob:
    job = MergeJob("r", options, PNG)
    return UploadJob(job, character, background, max_pixels=1_000_000)


def opened(picture: Picture) -> Image.Image:
    return Image.open(BytesIO(picture.data))


async def test_a_scene_is_rebuilt_from_layers_painted_alone() -> None:
    """Merge a cut-out character and a background, as /v1/characters and /v1/backgrounds return them."""
    scene = await Merger().merge(MergeJob("r", FRAME, PNG), layer(FIGURE), layer(PLACE))
    character = await Merger().cut_out(PNG, layer(FIGURE))
    background = await Merger().encode(PNG, layer(PLACE))
    again = await Merger().merge_files(upload(character.data, background.data))
    assert opened(again.picture).tobytes() == opened(scene.picture).tobytes()


async def test_another_place_behind_the_same_figure() -> None:
    """The confidence in the cut-out is the same, whatever the background."""
    scene = await Merger().merge(MergeJob("r", FRAME, PNG, layers=True), layer(FIGURE), layer(PLACE))
    other = np.full((256, 512, 3), (40, 90, 200), np.uint8)
    again = await Merger().merge_files(upload(scene.layers["character"].data, png(other)))
    assert (again.mode, again.confidence) == ("cutout", pytest.approx(scene.confidence))
    assert again.box == scene.box
    assert opened(again.picture).getpixel((2, 2)) == (40, 90, 200)


async def test_pictures_from_elsewhere_are_pasted_as_pillow_does() -> None:
    options = MergeOptions("paste", width_px=512, height_px=256)
    merged = await Merger().merge_files(upload(png(FIGURE), png(PLACE), options))
    assert opened(merged.picture).tobytes() == paste(FIGURE, PLACE, options)[0].tobytes()


async def test_a_photograph_is_cut_out_at_no_more_than_it_shows() -> None:
    large = np.asarray(Image.fromarray(FIGURE).resize((1536, 2048), Image.Resampling.BICUBIC))
    job = UploadJob(MergeJob("r", FRAME, PNG), png(large), png(PLACE), max_pixels=4_000_000)
    merged = await Merger().merge_files(job)
    same = await Merger().merge_files(upload(png(FIGURE), png(PLACE)))
    assert merged.mode == "cutout"
    assert merged.box == pytest.approx(same.box, abs=3)


@pytest.mark.parametrize("broken", ["character", "background"])
async def test_the_file_at_fault_is_named(broken: str) -> None:
    files = {"character": png(FIGURE), "background": png(PLACE)} | {broken: b"words"}
    with pytest.raises(InvalidRequest) as raised:
        await Merger().merge_files(upload(**files))
    assert raised.value.param == broken


async def test_insisting_on_a_cut_out_of_nothing_fails() -> None:
    insisting = MergeOptions("cutout", width_px=512, height_px=256)
    with pytest.raises(CutoutFailed):
        await Merger().merge_files(upload(png(PLACE), png(PLACE), insisting))


async def test_what_the_files_declare_is_what_the_merge_declares() -> None:
    trained, plain = Provenance("trainedAlgorithmicMedia"), None
    expected = {
        (trained, trained): "trainedAlgorithmicMedia",
        (trained, plain): "compositeWithTrainedAlgorithmicMedia",
        (plain, plain): "composite",
    }
    for (character, background), whole in expected.items():
        merged = await Merger().merge_files(upload(png(FIGURE, character), png(PLACE, background)))
        assert declared_source(opened(merged.picture)) == whole
