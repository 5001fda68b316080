"""Place figures: their proportions, the ground line, and the frame's edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from deployments.imaging.composite.placing import (
    CENTERS,
    FEET_LINE,
    cover,
    place,
    resize_figure,
)
from deployments.messages import MergeOptions, Pixels, Position


def placed(wide: int, high: int, picture: tuple[int, int] = (512, 384), bottom: int = 480) -> Pixels:
    """Return the alpha (h, w) of a block whose feet are at row `bottom`, near the left edge."""
    alpha = np.zeros(picture, np.uint8)
    alpha[bottom - high : bottom, 50 : 50 + wide] = 255
    return alpha


@pytest.mark.parametrize(("position", "share"), [("left", 0.25), ("center", 0.5), ("right", 0.75)])
def test_a_full_figure_is_on_the_ground_line(position: Position, share: float) -> None:
    placement = place(placed(180, 430), MergeOptions(position=position))
    assert placement is not None
    x, y, wide, high = placement.box
    assert placement.source == (50, 50, 180, 430)
    assert placement.grounded
    assert y + high == round(FEET_LINE * 512)
    assert x + wide / 2 == pytest.approx(share * 1024, abs=1)


@pytest.mark.parametrize("frame", [(1024, 512), (101, 67), (64, 1024)])
@pytest.mark.parametrize("word", ["left", "center", "right"])
def test_a_share_of_the_width_is_where_a_words_figure_stands(word: Position, frame: tuple[int, int]) -> None:
    by_word = MergeOptions("auto", word, *frame)
    assert place(placed(180, 430), by_word) == place(
        placed(180, 430), replace(by_word, position=CENTERS[word])
    )


@pytest.mark.parametrize("bottom", [480, 512])
@pytest.mark.parametrize("x", [0.0, 0.1, 0.37, 0.5, 0.93, 1.0])
def test_a_figure_stands_where_it_is_placed_and_inside_the_frame(x: float, bottom: int) -> None:
    placement = place(placed(180, 400, bottom=bottom), MergeOptions(position=x))
    assert placement is not None
    left, _, wide, _ = placement.box
    assert left == min(max(round(1024 * x - wide / 2), 0), 1024 - wide)


@pytest.mark.parametrize(("wide", "high"), [(180, 430), (60, 470), (300, 90), (12, 14)])
@pytest.mark.parametrize("scale", [0.1, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("frame", [(1024, 512), (512, 768), (1024, 64), (64, 1024)])
@pytest.mark.parametrize("bottom", [480, 512])
def test_never_outside_the_frame_and_in_proportion(
    wide: int, high: int, scale: float, frame: tuple[int, int], bottom: int
) -> None:
    placement = place(placed(wide, high, bottom=bottom), MergeOptions("auto", "left", *frame, scale))
    assert placement is not None
    x, y, box_wide, box_high = placement.box
    assert min(x, y) >= 0
    assert x + box_wide <= frame[0]
    assert y + box_high <= frame[1]
    # Within 1%, or within the half pixel of rounding.
    assert abs(box_wide - box_high * wide / high) <= max(0.01 * box_wide, 0.5 + 0.5 * wide / high)


def test_a_small_figure_grows_by_15_percent_at_most_and_a_tall_one_to_90_percent_of_the_frame() -> None:
    small, tall = place(placed(100, 200), MergeOptions()), place(placed(150, 470), MergeOptions())
    assert small is not None
    assert tall is not None
    assert small.box[2:] == (115, 230)
    assert tall.box[3] == round(0.9 * 512)
    half = place(placed(100, 200), MergeOptions(scale=0.5))
    assert half is not None
    assert half.box[3] == 115


@pytest.mark.parametrize(("wide", "high"), [(180, 430), (380, 200), (60, 470)])
@pytest.mark.parametrize("bottom", [480, 512])
@pytest.mark.parametrize("frame", [(1024, 512), (512, 512), (256, 768), (1024, 300)])
def test_every_scale_up_to_1_has_its_own_size(
    wide: int, high: int, bottom: int, frame: tuple[int, int]
) -> None:
    placements = [
        place(placed(wide, high, bottom=bottom), MergeOptions("auto", "left", *frame, scale=percent / 100))
        for percent in range(40, 101, 5)
    ]
    sizes = [placement.box[2] for placement in placements if placement]
    assert sizes == sorted(set(sizes))
    assert len(sizes) == 13


def test_a_figure_that_fills_its_picture_was_trimmed_and_has_feet() -> None:
    placement = place(np.full((300, 120), 255, np.uint8), MergeOptions())
    assert placement is not None
    assert placement.grounded
    assert placement.box[1] + placement.box[3] == round(FEET_LINE * 512)


def test_a_cropped_figure_is_flush_with_the_bottom_at_its_own_size() -> None:
    placement = place(placed(200, 400, bottom=512), MergeOptions())
    assert placement is not None
    assert placement.box == (668, 112, 200, 400)
    assert not placement.grounded


def at(x: float, row: float, picture: tuple[int, int] = (512, 384)) -> tuple[float, float]:
    """Return the relative position of feet at this column and row of a picture."""
    return x / picture[1], row / picture[0]


@pytest.mark.parametrize("position", [0.3, 0.5, 0.6])
@pytest.mark.parametrize("column", [60, 140, 220])
def test_feet_that_a_pose_knows_are_at_the_position_on_the_ground(position: float, column: int) -> None:
    """The figure has a cloak, of which a fifth hangs below the feet, and a staff that leans to one side."""
    options = MergeOptions(position=position, height_px=1024, feet=at(column, 480 - 80))
    placement = place(placed(180, 400), options)
    assert placement is not None and placement.grounded
    left, top, wide, high = placement.box
    factor = wide / 180
    assert left + (column - 50) * factor == pytest.approx(position * 1024, abs=1)
    assert top + 320 * factor == pytest.approx(FEET_LINE * 1024, abs=1.5) or top + high == 1024


def test_what_hangs_below_the_feet_stays_in_the_frame() -> None:
    for frame in ((1024, 512), (300, 512), (1024, 200)):
        for scale in (0.3, 1.0, 4.0):
            options = MergeOptions("auto", 0.5, *frame, scale, feet=at(140, 300))
            placement = place(placed(180, 400), options)
            assert placement is not None
            x, y, wide, high = placement.box
            assert min(x, y) >= 0 and x + wide <= frame[0] and y + high <= frame[1]
            assert abs(wide - high * 180 / 400) <= max(0.01 * wide, 1)


def test_soles_that_are_painted_where_the_pose_has_them_are_the_figures_own() -> None:
    for row in (460, 480, 500):
        placement = place(placed(180, 400), MergeOptions(feet=at(140, row)))
        assert placement == place(placed(180, 400), MergeOptions())


def test_a_figure_whose_feet_are_known_is_not_cut_off_at_the_bottom() -> None:
    placement = place(placed(200, 400, bottom=512), MergeOptions(feet=at(150, 500)))
    assert placement is not None and placement.grounded


@pytest.mark.parametrize("feet", [at(140, 100), at(0, 470), at(300, 470), (0.0, 0.0)])
def test_feet_where_the_model_painted_none_count_for_nothing(feet: tuple[float, float]) -> None:
    assert place(placed(180, 400), MergeOptions(feet=feet)) == place(placed(180, 400), MergeOptions())


def test_a_picture_without_a_figure_has_no_place() -> None:
    assert place(np.full((64, 64), 127, np.uint8), MergeOptions()) is None


def test_resizing_keeps_colours_clean_of_what_was_transparent() -> None:
    alpha = placed(101, 431)
    foreground = np.zeros((512, 384, 3), np.uint8)
    foreground[alpha > 0] = (200, 40, 40)
    placement = place(alpha, MergeOptions(scale=0.7))
    assert placement is not None
    figure = resize_figure(foreground, alpha, placement)
    assert figure.shape == (*placement.box[:1:-1], 4)
    seen = figure[figure[..., 3] > 20][:, :3].astype(int)
    assert np.abs(seen - (200, 40, 40)).max() <= 4


def test_at_its_own_size_a_figure_keeps_its_pixels() -> None:
    dice = np.random.default_rng(2)
    foreground, alpha = dice.integers(0, 256, (512, 384, 3), dtype=np.uint8), placed(200, 400, bottom=512)
    placement = place(alpha, MergeOptions())
    assert placement is not None
    np.testing.assert_array_equal(
        resize_figure(foreground, alpha, placement)[..., :3], foreground[112:, 50:250]
    )


@pytest.mark.parametrize(("high", "wide"), [(384, 512), (300, 900), (900, 300), (1024, 2048), (512, 1024)])
def test_the_place_fills_the_frame_unstretched(high: int, wide: int) -> None:
    """A disc remains as wide as high, and stays in the middle."""
    y, x = np.mgrid[:high, :wide]
    disc = np.hypot(x - (wide - 1) / 2, y - (high - 1) / 2) < min(high, wide) / 8
    background = np.repeat(np.where(disc, 255, 0).astype(np.uint8)[..., None], 3, 2)
    frame = cover(background, 1024, 512)
    assert frame.shape == (512, 1024, 3)
    rows, columns = np.nonzero(frame[..., 0] > 127)
    assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=6)
    assert (rows.mean(), columns.mean()) == pytest.approx((255.5, 511.5), abs=2)
