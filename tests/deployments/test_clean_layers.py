"""A scene's layers are clean: merged unchanged they give the same scene, with other options another."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.imaging.composite.compositing import LARGEST_LAYER_PX
from deployments.imaging.composite.layer_tags import KEY
from deployments.imaging.composite.pasting import paste
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import (
    MergeJob,
    MergeOptions,
    MergeResult,
    UploadJob,
)
from tests.support.clean_layers import (
    CROPPED,
    FULL,
    MERGER,
    NAMES,
    NOISE,
    OPTIONS,
    PLACE,
    PNG,
    layer,
    painted,
    pixels,
    same,
)

FIGURES = {"full": FULL, "cropped": CROPPED, "not to be cut out": NOISE}


def merged(
    scene: MergeResult, job: MergeJob, given: frozenset[str] = NAMES, character: str = "character"
) -> MergeResult:
    files = scene.layers[character].data, scene.layers["background"].data
    return asyncio.run(MERGER.merge_files(UploadJob(job, *files, max_pixels=1 << 24, given=given)))


@settings(max_examples=30, deadline=None)
@given(
    figure=st.sampled_from(list(FIGURES)),
    options=OPTIONS,
    enhance=st.booleans(),
    mark=st.none() | st.just("Generated"),
    given_=st.sampled_from([NAMES, frozenset()]),
)
def test_the_same_options_give_the_same_picture_to_the_pixel(
    figure: str, options: MergeOptions, enhance: bool, mark: str | None, given_: frozenset[str]
) -> None:
    """The picture is the same whether the options are given again or left out."""
    job = MergeJob("r", options, PNG, enhance, mark, layers=True)
    scene = painted(job, FIGURES[figure])
    assert scene.mode == ("paste" if options.mode == "paste" or figure == "not to be cut out" else "cutout")
    again = merged(scene, job if given_ else replace(job, options=MergeOptions()), given_)
    assert same(scene, again)
    assert same(scene, merged(again, job)), "its layers are as clean"


@settings(max_examples=20, deadline=None)
@given(figure=st.sampled_from(list(FIGURES)), first=OPTIONS, other=OPTIONS)
def test_other_options_give_what_they_would_have_given(
    figure: str, first: MergeOptions, other: MergeOptions
) -> None:
    """The painted character can make any other scene, the cut-out one any other cut-out scene."""
    character = FIGURES[figure]
    scene, wanted = (
        painted(MergeJob("r", requested, PNG, layers=True), character) for requested in (first, other)
    )
    assert same(wanted, merged(scene, MergeJob("r", other, PNG), character="painted"))
    if "paste" not in (first.mode, other.mode):
        assert same(wanted, merged(scene, MergeJob("r", other, PNG)))


def test_a_figure_that_moves_leaves_nothing_behind() -> None:
    options = MergeOptions(position="right", width_px=256, height_px=128)
    scene = painted(MergeJob("r", options, PNG, layers=True))
    moved = merged(scene, MergeJob("r", replace(options, position="left"), PNG))
    bare = np.asarray(Image.fromarray(PLACE).resize((256, 128), Image.Resampling.BICUBIC), np.int16)
    left_behind = np.abs(pixels(moved.picture)[:, 160:].astype(np.int16) - bare[:, 160:])
    assert left_behind.max() <= 20, "cv2's cubic and Pillow's differ a little"
    assert np.abs(pixels(scene.picture)[:, 160:].astype(np.int16) - bare[:, 160:]).max() > 50


def test_a_harmony_of_nothing_gives_the_figures_own_colours() -> None:
    options = MergeOptions(width_px=256, height_px=128, harmonize=1.0)
    scene = painted(MergeJob("r", options, PNG, layers=True))
    plain = replace(options, harmonize=0.0)
    assert same(painted(MergeJob("r", plain, PNG)), merged(scene, MergeJob("r", plain, PNG)))


def test_the_layers_are_as_painted() -> None:
    scene = painted(MergeJob("r", MergeOptions(width_px=256, height_px=128), PNG, layers=True))
    assert list(scene.layers) == ["character", "background", "mask", "painted"]
    assert np.array_equal(pixels(scene.layers["painted"]), FULL)
    assert np.array_equal(pixels(scene.layers["background"]), PLACE)
    figure = pixels(scene.layers["character"])
    assert figure.shape == (*FULL.shape[:2], 4)
    assert np.array_equal(figure[..., 3], pixels(scene.layers["mask"]))
    assert not figure[figure[..., 3] == 0].any(), "a viewer that ignores alpha shows no backdrop"
    alone = asyncio.run(MERGER.cut_out(PNG, layer(FULL)))
    assert np.array_equal(figure, pixels(alone)), "as /v1/characters returns it"


def test_as_painted_it_is_pasted_exactly() -> None:
    options = MergeOptions(width_px=256, height_px=128, contrast=None)
    scene = painted(MergeJob("r", options, PNG, layers=True))
    assert scene.mode == "cutout"
    pasting = replace(options, mode="paste")
    expected = np.asarray(paste(FULL, PLACE, pasting)[0])
    for given_ in (NAMES, frozenset({"mode"})):
        again = merged(scene, MergeJob("r", pasting, PNG), given_, "painted")
        assert np.array_equal(pixels(again.picture), expected)


@pytest.mark.parametrize("mode", ["auto", "paste"])
@pytest.mark.parametrize("transparent", [False, True])
def test_layers_of_large_uploads_fit_into_an_upload_again(mode: Any, transparent: bool) -> None:
    options = MergeOptions(mode, "left", 256, 128)
    noise = np.random.default_rng(5).integers(0, 256, (2000, 1500, 3), np.uint8)
    figure = np.asarray(Image.fromarray(FULL).resize((1536, 2048)))
    if transparent:
        alpha = np.zeros((2048, 1536), np.uint8)
        alpha[300:1700, 400:1100] = 255
        figure = np.dstack([figure, alpha])
    files = [encode(each, PNG).data for each in (figure, noise)]
    job = MergeJob("r", options, PNG, layers=True)
    first = asyncio.run(MERGER.merge_files(UploadJob(job, *files, max_pixels=1 << 24, given=NAMES)))
    for each in first.layers.values():
        assert each.width_px * each.height_px <= LARGEST_LAYER_PX
    assert sum(len(first.layers[name].data) for name in ("character", "background")) < 15 << 20
    again = merged(first, job)
    assert same(first, again)
    assert same(first, merged(first, replace(job, options=MergeOptions()), frozenset()))


def test_a_layer_that_was_flattened_is_a_picture_to_cut_out() -> None:
    """An editor may keep the layer's text. The confidence is the new cut-out's, not the text's."""
    options = MergeOptions(width_px=256, height_px=128)
    scene = painted(MergeJob("r", options, PNG, layers=True))
    said = Image.open(BytesIO(scene.layers["character"].data)).info[KEY]
    flat = encode(NOISE, PNG, texts={KEY: said}).data
    files = flat, scene.layers["background"].data
    again = asyncio.run(MERGER.merge_files(UploadJob(MergeJob("r"), *files, max_pixels=1 << 24)))
    assert (again.mode, again.confidence) == ("paste", 0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width_px": 1e30},
        {"height_px": 1 << 40},
        {"scale": float("nan")},
        {"position": 1.5},
        {"position": float("nan")},
    ],
    ids=str,
)
def test_a_text_that_says_the_impossible_is_passed_over(wrong: dict[str, Any]) -> None:
    scene = painted(MergeJob("r", MergeOptions(width_px=256, height_px=128), PNG, layers=True))
    files = []
    for name in ("character", "background"):
        layer_file = Image.open(BytesIO(scene.layers[name].data))
        said = json.loads(layer_file.info[KEY])
        said["options"] |= wrong
        files.append(encode(np.asarray(layer_file), PNG, texts={KEY: json.dumps(said)}).data)
    job = MergeJob("r", MergeOptions(width_px=128, height_px=64), PNG)
    merged = asyncio.run(MERGER.merge_files(UploadJob(job, *files, max_pixels=1 << 24)))
    assert (merged.mode, merged.confidence) == ("cutout", 1.0)
    assert (merged.picture.width_px, merged.picture.height_px) == (128, 64)
