"""Several figures in one picture: which is in front, their light, and their shadows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from deployments.errors import CutoutFailed
from deployments.imaging.composite.compositing import Found
from deployments.imaging.composite.group_composing import GroupComposition, compose_group, reasons
from deployments.messages import FigureOptions, MergeOptions, Pixels
from tests.support.known_alpha.sets import samples

FRAME = MergeOptions(width_px=256, height_px=128, harmonize=0.0)
FULL = np.asarray(Image.fromarray(next(samples("plain", 1, held_out=True)).pixels).reduce(2))
NOISE = np.random.default_rng(3).integers(0, 256, (96, 64, 3), np.uint8)
PLACE = np.full((128, 256, 3), 150, np.uint8)


def block(color: tuple[int, int, int], wide: int = 40, high: int = 100) -> Pixels:
    """Return a figure of one colour, which fills the middle of its transparent picture."""
    pixels = np.zeros((high + 20, wide + 20, 4), np.uint8)
    pixels[10:-10, 10:-10] = (*color, 255)
    return pixels


RED, BLUE = block((200, 30, 30)), block((30, 30, 200))


def composed(
    characters: list[Pixels], figures: list[FigureOptions], options: MergeOptions = FRAME
) -> GroupComposition:
    return compose_group(characters, PLACE, options, figures)


def color_of(made: GroupComposition, x: int, y: int) -> str:
    red, _, blue = np.asarray(made.picture)[y, x].astype(int)
    return "red" if red > blue + 30 else "blue" if blue > red + 30 else "place"


@pytest.mark.parametrize(
    ("depths", "in_front"), [((0, 0), "blue"), ((0, 1), "red"), ((1, 0), "blue"), ((5, 99.5), "red")]
)
def test_the_nearer_hides_the_farther(depths: tuple[float, float], in_front: str) -> None:
    figures = [FigureOptions(0.4, depth=depths[0]), FigureOptions(0.5, depth=depths[1])]
    made = composed([RED, BLUE], figures)
    (left, top, wide, high), (its_left, *_) = (figure.box for figure in made.figures)
    assert its_left < left + wide, "they overlap"
    assert color_of(made, left + wide - 2, top + high // 2) == in_front
    assert color_of(made, left + 2, top + high // 2) == "red"


def darker(shaded: GroupComposition, plain: GroupComposition) -> Pixels:
    difference = np.asarray(plain.picture, np.int16) - np.asarray(shaded.picture, np.int16)
    return np.asarray(difference.max(2) > 3)


def test_each_casts_a_shadow_on_the_ground_and_on_who_is_farther_but_none_on_who_is_nearer() -> None:
    figures = [FigureOptions(0.4, depth=1), FigureOptions(0.6, depth=0)]
    plain = MergeOptions(width_px=256, height_px=128, harmonize=0.0, shadow=False)
    shaded = darker(composed([RED, BLUE], figures), composed([RED, BLUE], figures, plain))
    far, near = (figure.box for figure in composed([RED, BLUE], figures).figures)
    feet = slice(far[1] + far[3] - 6, far[1] + far[3])
    assert shaded[feet, : far[0]].any(), "the farther figure's shadow, on the ground"
    assert shaded[feet, near[0] + near[2] :].any(), "the nearer figure's shadow, on the ground"
    assert shaded[feet, far[0] : far[0] + far[2]].any(), "the nearer figure's shadow, on the farther one"
    assert not shaded[near[1] : near[1] + near[3], near[0] : near[0] + near[2]].any()


def test_under_one_light_they_keep_their_differences() -> None:
    """One curve applies to all, so colour differences between figures stay about the same."""
    bright, dark = block((210, 180, 150)), block((120, 90, 60))
    lit = composed([bright, dark], [FigureOptions()] * 2, MergeOptions(width_px=256, height_px=128))
    means = []
    for figure in lit.figures:
        x, y, wide, high = figure.box
        means.append(np.asarray(lit.picture)[y + high // 2, x + wide // 2].astype(int))
    assert (means[0] - means[1] > 60).all()


def test_one_that_cannot_be_cut_out_is_pasted_whole_and_the_others_are_not() -> None:
    made = composed([FULL, NOISE], [FigureOptions()] * 2)
    assert [figure.mode for figure in made.figures] == ["cutout", "paste"]
    assert (made.mode, made.confidence) == ("paste", made.figures[1].confidence)
    x, y, wide, high = made.figures[1].box
    assert wide / high == pytest.approx(64 / 96, abs=0.02), "in proportion"
    assert list(reasons(made)) == [
        f"figure 1: the character could not be cut out (confidence {made.confidence:.2f}), so it was pasted"
    ]
    assert made.box == (
        made.figures[0].box[0],
        min(figure.box[1] for figure in made.figures),
        x + wide - made.figures[0].box[0],
        max(figure.box[1] + figure.box[3] for figure in made.figures)
        - min(figure.box[1] for figure in made.figures),
    )
    assert y >= 0


def test_where_cutting_out_is_insisted_on_the_figure_is_named() -> None:
    insisting = MergeOptions("cutout", width_px=256, height_px=128)
    with pytest.raises(CutoutFailed, match="figure 1: the character could not be cut out") as raised:
        composed([FULL, NOISE], [FigureOptions()] * 2, insisting)
    assert raised.value.param == "merge.mode"


def test_an_invisible_figure_is_no_fault_of_the_others() -> None:
    made = composed([FULL, np.zeros((60, 40, 4), np.uint8)], [FigureOptions()] * 2)
    assert [figure.mode for figure in made.figures] == ["cutout", "paste"]


def test_pasting_takes_every_picture_as_it_is_and_never_stretches() -> None:
    made = composed([FULL, NOISE], [FigureOptions()] * 2, MergeOptions("paste", width_px=256, height_px=128))
    assert [figure.mode for figure in made.figures] == ["paste", "paste"]
    for figure, source in zip(made.figures, (FULL, NOISE), strict=True):
        assert figure.box[2] / figure.box[3] == pytest.approx(source.shape[1] / source.shape[0], abs=0.03)


def test_what_is_known_of_a_figure_is_not_tried_again() -> None:
    figures, known = [FigureOptions()] * 2, [Found("paste", 0.25), None]
    made = compose_group([FULL, FULL], PLACE, FRAME, figures, found=known)
    assert next((figure.mode, figure.confidence) for figure in made.figures) == ("paste", 0.25)
    assert made.figures[1].mode == "cutout"


def test_the_same_pixels_and_options_give_the_same_picture() -> None:
    one, other = (composed([FULL, NOISE, RED], [FigureOptions()] * 3) for _ in range(2))
    assert one.picture.tobytes() == other.picture.tobytes()
