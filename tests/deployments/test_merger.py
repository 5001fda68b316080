from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from deployments.errors import CutoutFailed
from deployments.imaging.composite.enhancing import enhance
from deployments.imaging.composite.pasting import paste
from deployments.imaging.marks.attribution import mark
from deployments.imaging.marks.provenance import ProvenanceConfig
from deployments.merger import Merger, MergerConfig
from deployments.messages import (
    LayerKind,
    LayerResult,
    LayerTimings,
    MergeJob,
    MergeMode,
    MergeOptions,
    OutputOptions,
)


def layer(kind: LayerKind, seed: int, size: tuple[int, int], channels: int = 3) -> LayerResult:
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, channels), np.uint8)
    pixels = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    return LayerResult(kind, pixels, seed, "storybook", "diffusers", LayerTimings(0, 0, 0, 0))


CHARACTER = layer("character", 1, (48, 64))
BACKGROUND = layer("background", 2, (64, 48))
FRAME = MergeOptions(width_px=128, height_px=64)
SILENT = Merger(MergerConfig(ProvenanceConfig(embed=False)))


def jpeg(picture: Image.Image) -> bytes:
    data = BytesIO()
    picture.save(data, "JPEG", quality=95, optimize=True)
    return data.getvalue()


@pytest.mark.parametrize("mode", ["paste", "auto"])
async def test_the_bytes_are_those_of_the_plain_paste(mode: MergeMode) -> None:
    options = MergeOptions(mode, width_px=128, height_px=64)
    merged = await SILENT.merge(MergeJob("id", options), CHARACTER, BACKGROUND)
    expected, box = paste(CHARACTER.pixels, BACKGROUND.pixels, options)
    assert merged.picture.data == jpeg(expected)
    assert (merged.mode, merged.confidence, merged.box) == ("paste", 0.0, box)
    assert merged.merge_ms > 0
    assert merged.output_ms > 0
    assert merged.layers == {}


async def test_provenance_is_on_and_changes_no_pixel() -> None:
    job = MergeJob("id", FRAME)
    reported, silent = [await merger.merge(job, CHARACTER, BACKGROUND) for merger in (Merger(), SILENT)]
    assert b"trainedAlgorithmicMedia" in reported.picture.data
    assert b"trainedAlgorithmicMedia" not in silent.picture.data
    pictures = [Image.open(BytesIO(merged.picture.data)) for merged in (reported, silent)]
    assert pictures[0].tobytes() == pictures[1].tobytes()


async def test_the_finish_comes_before_the_mark() -> None:
    job = MergeJob("id", FRAME, enhance=True, attribution="Generated with Stable Diffusion")
    merged = await SILENT.merge(job, CHARACTER, BACKGROUND)
    plain, _ = paste(CHARACTER.pixels, BACKGROUND.pixels, FRAME)
    assert merged.picture.data == jpeg(mark(enhance(plain), "Generated with Stable Diffusion"))
    assert merged.picture.data != jpeg(enhance(mark(plain, "Generated with Stable Diffusion")))


async def test_the_layers_of_a_pasted_picture_are_as_painted() -> None:
    options = MergeOptions("paste", width_px=128, height_px=64, contrast=1.0)
    job = MergeJob("id", options, OutputOptions("png"), layers=True)
    merged = await Merger().merge(job, CHARACTER, BACKGROUND)
    assert {part.format for part in merged.layers.values()} == {"png"}
    parts = {name: np.asarray(Image.open(BytesIO(part.data))) for name, part in merged.layers.items()}
    assert np.array_equal(parts["background"], BACKGROUND.pixels)
    assert np.array_equal(parts["painted"], CHARACTER.pixels)
    assert np.array_equal(parts["character"][..., :3], CHARACTER.pixels)
    assert (parts["character"][..., 3] == 255).all(), "an opaque character is pasted whole"
    assert (parts["mask"] == 255).all()


async def test_a_cut_out_that_cannot_be_had_is_refused() -> None:
    with pytest.raises(CutoutFailed) as raised:
        await Merger().merge(MergeJob("id", MergeOptions("cutout")), CHARACTER, BACKGROUND)
    assert raised.value.param == "merge.mode"


async def test_one_layer_alone_as_a_file() -> None:
    picture = await Merger().encode(OutputOptions("png"), CHARACTER)
    assert (picture.format, picture.width_px, picture.height_px) == ("png", 48, 64)
    assert np.array_equal(np.asarray(Image.open(BytesIO(picture.data))), CHARACTER.pixels)
