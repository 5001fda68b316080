"""Layers that record their scene: options left out of a merge are as in that scene."""

from __future__ import annotations

import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.imaging.composite.compositing import Composition, Found, compose
from deployments.imaging.composite.layer_tags import (
    KEY,
    Tagged,
    as_before,
    read_tag,
    tags_of,
)
from deployments.imaging.files.picture_encoding import encode
from deployments.messages import MergeJob, MergeOptions, OutputOptions, UploadJob
from tests.support.known_alpha.sets import samples

PLACE = np.random.default_rng(1).integers(40, 200, (96, 192, 3), np.uint8)
FIGURE = next(samples("plain", 1, held_out=True)).pixels
FRAME = MergeOptions(width_px=256, height_px=128)
MOST_PX = 1024


def composed(**changes: Any) -> Composition:
    return compose(FIGURE, PLACE, replace(FRAME, **changes))


def tagged(made: Composition, layer: Tagged) -> Image.Image:
    data = encode(np.zeros((16, 16, 3), np.uint8), OutputOptions("png"), texts={KEY: tags_of(made)[layer]})
    return Image.open(BytesIO(data.data))


def again(
    character: Image.Image, background: Image.Image, requested: MergeOptions = FRAME, *given: str
) -> tuple[MergeOptions, Found | None]:
    return as_before(
        character, background, UploadJob(MergeJob("r", requested), b"", b"", 1, frozenset(given))
    )


def both(made: Composition) -> tuple[Image.Image, Image.Image]:
    return tagged(made, "character"), tagged(made, "background")


TAG = tags_of(composed())["character"]


def saying(**changed: Any) -> Image.Image:
    """Return a layer whose tag was edited; `options` replaces only the given ones."""
    tag = json.loads(TAG)
    tag["options"] |= changed.pop("options", {})
    picture = Image.new("RGB", (4, 4))
    picture.info[KEY] = json.dumps(tag | changed)
    return picture


def test_what_is_left_out_is_as_in_the_scene() -> None:
    made = composed(position="left", harmonize=0.9, contrast=1.3)
    assert again(*both(made)) == (made.options, Found("cutout", made.confidence))
    options, _ = again(*both(made), replace(FRAME, position="center", width_px=512), "position")
    assert options == replace(made.options, position="center")


def test_layers_of_two_scenes_are_merged_as_requested() -> None:
    one, other = composed(), composed(harmonize=0.0)
    requested = replace(FRAME, scale=0.5)
    options, found = again(tagged(one, "character"), tagged(other, "background"), requested)
    assert options == requested
    assert found == Found("cutout", one.confidence), "it holds for the figure before any background"


def test_layers_in_each_others_place_are_pictures_like_any_other() -> None:
    made = composed(position="left")
    assert again(tagged(made, "background"), tagged(made, "character")) == (FRAME, None)


def test_a_figure_that_could_not_be_cut_out_is_not_tried_again() -> None:
    noise = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)
    made = compose(noise, PLACE, FRAME)
    assert made.mode == "paste"
    assert again(*both(made)) == (made.options, Found("paste", made.confidence))
    assert again(*both(composed(mode="paste")))[1] is None, "no cut-out was tried"


def test_a_figure_as_painted_is_cut_out_again() -> None:
    made = composed(position="left")
    assert again(tagged(made, "painted"), tagged(made, "background")) == (made.options, None)


@pytest.mark.parametrize(
    "damage", ["", "{}", "[1]", '{"layer": "character"}', "{" * 2000, '{"layer": NaN}', "\x00", "1" * 100_000]
)
def test_a_tag_that_cannot_be_read_is_none(damage: str) -> None:
    picture = Image.new("RGB", (4, 4))
    picture.info[KEY] = damage
    assert read_tag(picture, MOST_PX) is None


IMPOSSIBLE: list[dict[str, Any]] = [
    {"confidence": float("nan")},
    {"confidence": 7},
    {"confidence": 0.2},  # too low for a cut-out
    {"mode": "auto"},
    {"layer": "mask"},
    *(
        {"options": {name: side}}
        for name in ("width_px", "height_px")
        for side in (0, 63, 1025, -5, 1e30, 1e9)
    ),
    *({"options": {"scale": scale}} for scale in (float("nan"), float("inf"), 1e30, -1, 0)),
    *({"options": {name: 1e30}} for name in ("harmonize", "contrast", "position")),
    {"options": {"contrast": -1}},
    *({"options": {"feet": feet}} for feet in ([0.5, 1.5], [-1, 0], [float("nan"), 0], [0.5], 0.5)),
]


@pytest.mark.parametrize("changed", IMPOSSIBLE, ids=str)
def test_a_tag_that_says_the_impossible_is_none(changed: dict[str, Any]) -> None:
    assert read_tag(saying(), MOST_PX) is not None
    assert read_tag(saying(**changed), MOST_PX) is None


ANYTHING = st.one_of(
    st.floats(),
    st.integers(),
    st.text(max_size=5),
    st.none(),
    st.booleans(),
    st.lists(st.floats(), max_size=4),
)
NAMES = list(MergeOptions.__dataclass_fields__)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.dictionaries(st.text(max_size=8), ANYTHING))
def test_a_tag_says_what_a_request_may_say_or_nothing(
    options: dict[str, Any], fields: dict[str, Any]
) -> None:
    tag = read_tag(saying(options=options, **fields), MOST_PX)
    if tag is not None:
        assert min(tag.options.width_px, tag.options.height_px) >= 64
        assert max(tag.options.width_px, tag.options.height_px) <= MOST_PX
        assert 0.1 <= tag.options.scale <= 4
