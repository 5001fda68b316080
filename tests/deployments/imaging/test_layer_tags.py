"""Layers that know their picture: it is rebuilt from their files, and from no others."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from bench.known_alpha.sets import samples
from deployments.imaging.compositing import Composition, compose
from deployments.imaging.encoding import encode
from deployments.imaging.layer_tags import KEY, read_tag, rebuild, tags_of
from deployments.messages import LayerKind, MergeOptions, OutputOptions

PLACE = np.random.default_rng(1).integers(40, 200, (96, 192, 3), np.uint8)
FIGURE = next(samples("plain", 1, held_out=True)).pixels
FRAME = MergeOptions(width_px=256, height_px=128)
Files = dict[LayerKind, Image.Image]


def composed(**changes: object) -> Composition:
    return compose(FIGURE, PLACE, replace(FRAME, **changes))  # type: ignore[arg-type]


def files_of(made: Composition) -> Files:
    tags, images = tags_of(made), {"character": made.parts.character, "background": made.parts.background}
    files = {kind: encode(images[kind], OutputOptions("png"), texts={KEY: tags[kind]}).data for kind in tags}
    return {kind: Image.open(BytesIO(data)) for kind, data in files.items()}


def again(files: Files, asked: MergeOptions = FRAME, *given: str) -> Composition | None:
    return rebuild(files["character"], files["background"], asked, frozenset(given))


@pytest.mark.parametrize("mode", ["auto", "paste"])
@pytest.mark.parametrize("contrast", [None, 1.3])
def test_the_picture_is_rebuilt_from_its_layers(mode: str, contrast: float | None) -> None:
    made = composed(mode=mode, contrast=contrast, position="left", harmonize=0.9)
    same = again(files_of(made))
    assert same is not None
    assert same.picture.tobytes() == made.picture.tobytes()
    assert (same.mode, same.box, same.options) == (made.mode, made.box, made.options)
    assert same.confidence == pytest.approx(made.confidence)


def test_it_is_rebuilt_where_the_same_is_asked_for_again_and_not_where_another_is() -> None:
    files = files_of(composed(position="left"))
    assert again(files, replace(FRAME, position="left"), "position", "width_px", "height_px")
    assert again(files, replace(FRAME, position="right")) is not None  # not given: a default
    assert again(files, replace(FRAME, position="right"), "position") is None
    assert again(files, replace(FRAME, width_px=512), "width_px") is None


def test_only_the_contrast_may_be_another() -> None:
    files = files_of(composed())
    changed = again(files, replace(FRAME, contrast=1.5), "contrast")
    assert changed is not None
    assert changed.picture.tobytes() == composed(contrast=1.5).picture.tobytes()


def test_layers_of_two_pictures_make_neither() -> None:
    one, other = files_of(composed()), files_of(composed(harmonize=0.0))
    assert again({"character": one["character"], "background": other["background"]}) is None
    assert again({"character": one["background"], "background": one["character"]}) is None


def test_a_layer_of_another_size_than_it_says_is_none() -> None:
    files = files_of(composed())
    files["background"] = files["background"].crop((0, 0, 200, 100))
    assert again(files) is None


@pytest.mark.parametrize(
    "damage", ["", "{}", "[1]", '{"layer": "character"}', "{" * 2000, '{"layer": NaN}', "\x00"]
)
def test_a_tag_that_cannot_be_read_is_none(damage: str) -> None:
    picture = Image.new("RGB", (4, 4))
    picture.info[KEY] = damage
    assert read_tag(picture) is None


@pytest.mark.parametrize(("field", "value"), [("confidence", "NaN"), ("confidence", "7"), ("box", "[1,2,3]")])
def test_a_tag_that_says_the_impossible_is_none(field: str, value: str) -> None:
    made = composed()
    box = ",".join(map(str, made.box))
    known = {"confidence": f'"confidence":{made.confidence}', "box": f'"box":[{box}]'}
    text = tags_of(made)["character"]
    picture = Image.new("RGB", (4, 4))
    picture.info[KEY] = text.replace(known[field], f'"{field}":{value}')
    assert picture.info[KEY] != text
    assert read_tag(picture) is None
