"""Light a figure: how far its colours shift, and where its shadow falls."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.imaging.composite.lighting import cast_shadow, harmonise, mean_lab
from deployments.messages import Pixels

BOX = (10, 20, 60, 120)
FRAME = np.full((512, 1024, 3), 180, np.uint8)


def figure(color: tuple[int, int, int], spread: int = 40) -> Pixels:
    dice = np.random.default_rng(1)
    pixels = np.clip(np.array(color) + dice.integers(-spread, spread + 1, (120, 60, 3)), 0, 255)
    return np.dstack([pixels, dice.choice([0, 128, 255], (120, 60), p=(0.2, 0.1, 0.7))]).astype(np.uint8)


def frame(color: tuple[int, int, int]) -> Pixels:
    return np.full((160, 100, 3), color, np.uint8)


def far(pixels: Pixels, place: Pixels) -> float:
    return float(
        np.linalg.norm(mean_lab(pixels[pixels[..., 3] > 230][:, :3]) - mean_lab(place.reshape(-1, 3)))
    )


@pytest.mark.parametrize("color", [(180, 150, 130), (90, 100, 150), (130, 140, 110)])
@pytest.mark.parametrize("behind", [(120, 130, 170), (160, 120, 110), (90, 110, 100)])
def test_the_distance_falls_by_a_third(color: tuple[int, int, int], behind: tuple[int, int, int]) -> None:
    before, place = figure(color), frame(behind)
    start = far(before, place)
    assert 8 < start <= 41
    assert far(harmonise(before, place, BOX, 0.55), place) <= 0.7 * start


def test_at_nothing_the_figure_keeps_its_colours_and_alpha_is_never_touched() -> None:
    before = figure((150, 150, 150))
    np.testing.assert_array_equal(harmonise(before, frame((20, 30, 90)), BOX, 0), before)
    lit = harmonise(before, frame((20, 30, 90)), BOX, 1.0)
    np.testing.assert_array_equal(lit[..., 3], before[..., 3])
    assert (lit[..., :3] != before[..., :3]).any()


def test_only_what_is_behind_the_figure_counts() -> None:
    before, near, elsewhere = figure((150, 150, 150)), frame((90, 90, 150)), frame((90, 90, 150))
    elsewhere[:, 80:] = (255, 0, 0)
    np.testing.assert_array_equal(harmonise(before, near, BOX, 0.55), harmonise(before, elsewhere, BOX, 0.55))


@pytest.mark.parametrize("behind", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 0, 255)])
@pytest.mark.parametrize("color", [(128, 128, 128), (215, 205, 200), (45, 40, 50)])
def test_hardly_a_pixel_clips(color: tuple[int, int, int], behind: tuple[int, int, int]) -> None:
    before = figure(color, spread=35)
    after = harmonise(before, frame(behind), BOX, 1.0)
    opaque = before[..., 3] == 255
    clipped = [((p[opaque][:, :3] == 0) | (p[opaque][:, :3] == 255)).any(1).mean() for p in (before, after)]
    assert clipped[1] <= clipped[0] + 0.01


def test_night_does_not_make_a_figure_black() -> None:
    lightness = [
        mean_lab(p[p[..., 3] == 255][:, :3])[0]
        for p in (figure((200, 180, 170)), harmonise(figure((200, 180, 170)), frame((8, 10, 25)), BOX, 1.0))
    ]
    assert 8 < lightness[0] - lightness[1] < 20


def test_a_figure_that_is_nowhere_opaque_stays_as_it_is() -> None:
    faint = figure((100, 100, 100))
    faint[..., 3] = 90
    np.testing.assert_array_equal(harmonise(faint, frame((0, 0, 0)), BOX, 1.0), faint)


def two_legs() -> Pixels:
    """Return a body (400, 160, 4) on two legs with 80 px between them."""
    figure = np.zeros((400, 160, 4), np.uint8)
    figure[:250, :, 3] = 255
    figure[250:, :40, 3] = figure[250:, 120:, 3] = 255
    return figure


def darkening(box: tuple[int, int, int, int]) -> np.ndarray:
    return FRAME[..., 0].astype(int) - cast_shadow(FRAME, two_legs(), box)[..., 0]


def test_dark_at_the_feet_and_gone_a_fifth_of_the_height_away() -> None:
    dark = darkening((300, 90, 160, 400))
    assert dark[482:492, 310:330].min() > 35
    assert dark[482:492, 430:450].min() > 35
    assert dark[: 490 - 80].max() == 0
    assert dark[:, : 300 - 80].max() == 0
    assert dark[:, 460 + 80 :].max() == 0
    assert dark.min() == 0, "nothing is brightened"


def test_darker_under_a_foot_than_between_the_feet() -> None:
    dark = darkening((300, 90, 160, 400))
    assert dark[484, 320] > dark[484, 380] + 15


def test_it_fades_without_a_step() -> None:
    dark = darkening((300, 90, 160, 400))
    assert np.abs(np.diff(dark, axis=0)).max() <= 16
    assert np.abs(np.diff(dark, axis=1)).max() <= 16
    assert dark[:410].max() <= 2


@pytest.mark.parametrize("box", [(0, 112, 160, 400), (864, 112, 160, 400), (400, 100, 160, 400)])
def test_at_the_frames_edges(box: tuple[int, int, int, int]) -> None:
    assert darkening(box)[-30:].max() > 40


def test_the_frame_is_left_as_it_was() -> None:
    frame = FRAME.copy()
    shaded = cast_shadow(frame, two_legs(), (300, 90, 160, 400))
    np.testing.assert_array_equal(frame, FRAME)
    assert shaded.shape == frame.shape
    assert shaded.dtype == np.uint8


def test_a_tiny_figure_has_a_tiny_shadow() -> None:
    figure = np.full((3, 2, 4), 255, np.uint8)
    shaded = cast_shadow(FRAME, figure, (500, 400, 2, 3))
    assert (shaded != FRAME).any(2).sum() < 60
