"""The merge as a whole: which mode, what the parts rebuild, and that nothing in it is left to chance."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from bench.known_alpha.sets import samples
from deployments.errors import CutoutFailed
from deployments.imaging.compositing import Composition, compose
from deployments.imaging.pasting import paste
from deployments.messages import MergeOptions, Pixels


@pytest.fixture(scope="module")
def character() -> Pixels:
    """A full figure, on its feet."""
    return next(
        picture.pixels for picture in samples("plain", 20, held_out=True) if picture.alpha[-1].max() == 0
    )


@pytest.fixture(scope="module")
def background() -> Pixels:
    y, x = np.mgrid[:384, :512]
    return np.dstack([y // 2 + 30, x // 3 + 40, 200 - y // 3]).astype(np.uint8)


NOISE = np.random.default_rng(4).integers(0, 256, (512, 384, 3), dtype=np.uint8)
BLACK = np.zeros((512, 384, 3), np.uint8)
FLAT = np.full((512, 384, 3), 180, np.uint8)


def rebuilt(made: Composition) -> Image.Image:
    picture = made.parts.background.copy()
    picture.paste(made.parts.character, made.box[:2], made.parts.mask)
    return picture


def same(one: Image.Image, other: Image.Image) -> bool:
    return (one.mode, one.size, one.tobytes()) == (other.mode, other.size, other.tobytes())


def test_a_plain_backdrop_is_cut_away(character: Pixels, background: Pixels) -> None:
    made = compose(character, background, MergeOptions())
    assert (made.mode, made.reason, made.picture.size) == ("cutout", "", (1024, 512))
    assert made.confidence >= 0.5
    assert made.box[1] + made.box[3] == round(0.965 * 512)
    corner = np.asarray(made.picture)[:30, :400]
    np.testing.assert_array_equal(corner, np.asarray(made.parts.background)[:30, :400])


@pytest.mark.parametrize("picture", [NOISE, BLACK, FLAT], ids=["noise", "black", "flat"])
def test_what_cannot_be_cut_out_is_pasted_exactly_and_says_so(picture: Pixels, background: Pixels) -> None:
    made = compose(picture, background, MergeOptions())
    assert (made.mode, made.confidence, made.box) == ("paste", 0, (512, 0, 512, 512))
    assert same(made.picture, paste(picture, background, MergeOptions(mode="paste"))[0])
    assert "confidence 0.00" in made.reason


def test_cutout_refuses_what_auto_would_paste(background: Pixels) -> None:
    with pytest.raises(CutoutFailed, match=r"confidence 0\.00") as raised:
        compose(NOISE, background, MergeOptions(mode="cutout"))
    assert raised.value.param == "merge.mode"


def test_paste_is_the_plain_merge_even_where_a_cut_out_would_do(
    character: Pixels, background: Pixels
) -> None:
    made = compose(character, background, MergeOptions(mode="paste"))
    assert (made.mode, made.reason) == ("paste", "")
    assert same(made.picture, paste(character, background, MergeOptions(mode="paste"))[0])


def test_an_empty_rgba_picture_is_nothing_to_cut_out(background: Pixels) -> None:
    empty = np.zeros((64, 64, 4), np.uint8)
    assert "transparent" in compose(empty, background, MergeOptions()).reason
    with pytest.raises(CutoutFailed, match="transparent"):
        compose(empty, background, MergeOptions(mode="cutout"))


def test_the_parts_rebuild_the_picture_exactly(character: Pixels, background: Pixels) -> None:
    made = compose(character, background, MergeOptions())
    assert same(made.picture, rebuilt(made))
    assert made.parts.character.size == made.parts.mask.size == made.box[2:]
    assert made.parts.background.size == (1024, 512)


def test_in_paste_and_with_contrast_the_parts_rebuild_what_contrast_is_given_to(
    character: Pixels, background: Pixels
) -> None:
    pasted = compose(character, background, MergeOptions(mode="paste"))
    assert same(pasted.picture, ImageEnhance.Contrast(rebuilt(pasted)).enhance(1.1))
    strong = compose(character, background, MergeOptions(contrast=1.3))
    assert strong.mode == "cutout"
    assert same(strong.picture, ImageEnhance.Contrast(rebuilt(strong)).enhance(1.3))


def test_parts_taken_back_make_the_same_picture(character: Pixels, background: Pixels) -> None:
    made = compose(character, background, MergeOptions())
    again = compose(
        np.asarray(made.parts.character),
        np.asarray(made.parts.background),
        MergeOptions(harmonize=0, shadow=False),
    )
    assert again.confidence == 1
    assert again.box[3] == pytest.approx(min(461, made.box[3] * 1.15), abs=2)


def test_without_harmonising_the_figure_keeps_its_colours(background: Pixels) -> None:
    figure = np.zeros((512, 384, 4), np.uint8)
    figure[80:480, 100:280] = (210, 40, 60, 255)
    plain = compose(figure, background, MergeOptions(harmonize=0, shadow=False))
    x, y, wide, high = plain.box
    inside = np.asarray(plain.picture)[y + 3 : y + high - 3, x + 3 : x + wide - 3]
    assert (inside == (210, 40, 60)).all()
    lit = compose(figure, background, MergeOptions(shadow=False))
    assert (np.asarray(lit.picture)[y + 9, x + 9] != (210, 40, 60)).any()


def test_the_shadow_is_only_under_the_feet_and_cropped_figures_have_none(background: Pixels) -> None:
    figure = np.zeros((512, 384, 4), np.uint8)
    figure[80:480, 100:280] = (210, 40, 60, 255)
    with_shadow, without = (compose(figure, background, MergeOptions(shadow=s)) for s in (True, False))
    changed = (np.asarray(with_shadow.picture) != np.asarray(without.picture)).any(2)
    assert changed.any()
    assert not changed[:400].any()
    figure[480:, 100:280] = (210, 40, 60, 255)
    cropped = [compose(figure, background, MergeOptions(shadow=s)).picture for s in (True, False)]
    assert same(*cropped)


def test_repeat_runs_are_identical(character: Pixels, background: Pixels) -> None:
    first, second = (compose(character, background, MergeOptions()) for _ in range(2))
    assert same(first.picture, second.picture)


@pytest.mark.parametrize("size", [(64, 64), (1024, 64), (64, 1024)])
def test_odd_frames_and_an_rgba_place(character: Pixels, background: Pixels, size: tuple[int, int]) -> None:
    see_through = np.dstack([background, np.full((384, 512), 99, np.uint8)])
    made = compose(character, see_through, MergeOptions("auto", "left", *size, 4.0))
    assert (made.mode, made.picture.size, made.picture.mode) == ("cutout", size, "RGB")
