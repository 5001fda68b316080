"""The whole merge: its mode, the picture rebuilt from its parts, and that it is deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deployments.errors import CutoutFailed
from deployments.imaging.composite.compositing import Found, compose
from deployments.imaging.composite.pasting import paste
from deployments.imaging.composite.placing import cover
from deployments.messages import MergeMode, MergeOptions, Pixels, Position
from tests.support.known_alpha.sets import samples


@pytest.fixture(scope="module")
def character() -> Pixels:
    """Return a full figure, with space below its feet."""
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


def same(one: Image.Image, other: Image.Image) -> bool:
    return (one.mode, one.size, one.tobytes()) == (other.mode, other.size, other.tobytes())


def test_a_plain_backdrop_is_cut_away(character: Pixels, background: Pixels) -> None:
    made = compose(character, background, MergeOptions())
    assert (made.mode, made.reason, made.picture.size) == ("cutout", "", (1024, 512))
    assert made.confidence >= 0.5
    assert made.box[1] + made.box[3] == round(0.965 * 512)
    corner = np.asarray(made.picture)[:30, :400]
    place = cover(background, 1024, 512)
    np.testing.assert_array_equal(corner, place[:30, :400])


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


@pytest.mark.parametrize("mode", ["auto", "paste"])
def test_the_parts_make_the_picture_again(character: Pixels, background: Pixels, mode: MergeMode) -> None:
    options = MergeOptions(mode, contrast=1.3)
    made = compose(character, background, options)
    assert made.mode == ("cutout" if mode == "auto" else "paste")
    again = compose(made.parts.figure.rgba(), made.parts.background, options)
    assert same(again.picture, made.picture)
    assert again.confidence == (1.0 if mode == "auto" else 0.0), "nothing else is known about this figure"


def test_what_was_found_out_about_a_figure_is_not_looked_for_again(
    character: Pixels, background: Pixels
) -> None:
    known = compose(character, background, MergeOptions(), found=Found("paste", 0.31))
    assert (known.mode, known.confidence) == ("paste", 0.31)
    assert "confidence 0.31" in known.reason
    insisting = compose(character, background, MergeOptions("cutout"), found=Found("paste", 0.31))
    assert insisting.mode == "cutout"


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


BLOCKS = st.builds(
    lambda size, behind, block, colour, channels: _block(size, behind, block, colour)[..., :channels],
    size=st.tuples(*[st.sampled_from([16, 17, 40, 81, 300])] * 2),
    behind=st.integers(0, 255),
    block=st.tuples(*[st.integers(0, 300)] * 4),
    colour=st.tuples(*[st.integers(0, 255)] * 4),
    channels=st.sampled_from([3, 4]),
)


def _block(size: tuple[int, int], behind: int, block: tuple[int, ...], colour: tuple[int, ...]) -> Pixels:
    top, left, high, wide = block
    picture = np.full((*size, 4), (behind, behind, behind, 0), np.uint8)
    picture[top % size[0] :, left % size[1] :][:high, :wide] = colour
    return picture


@settings(max_examples=120, deadline=None)
@given(
    figure=BLOCKS,
    place=BLOCKS,
    frame=st.tuples(*[st.sampled_from([64, 65, 128, 500])] * 2),
    scale=st.sampled_from([0.1, 1.0, 4.0]),
    harmonize=st.sampled_from([0.0, 1.0]),
    position=st.sampled_from(["left", "center", "right"]),
)
def test_whatever_is_merged_fills_the_frame(
    figure: Pixels,
    place: Pixels,
    frame: tuple[int, int],
    scale: float,
    harmonize: float,
    position: Position,
) -> None:
    made = compose(figure, place, MergeOptions("auto", position, *frame, scale, harmonize))
    assert (made.picture.mode, made.picture.size) == ("RGB", frame)
    x, y, wide, high = made.box
    assert 0 <= x <= x + wide <= frame[0]
    assert 0 <= y <= y + high <= frame[1]
