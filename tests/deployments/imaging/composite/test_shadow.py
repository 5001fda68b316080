"""The contact shadow: dark under the feet, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from deployments.imaging.composite.shadow import cast
from deployments.messages import Pixels

FRAME = np.full((512, 1024, 3), 180, np.uint8)


def two_legs() -> Pixels:
    """(400, 160, 4): a body on two legs with 80 px between them."""
    figure = np.zeros((400, 160, 4), np.uint8)
    figure[:250, :, 3] = 255
    figure[250:, :40, 3] = figure[250:, 120:, 3] = 255
    return figure


def darkening(box: tuple[int, int, int, int]) -> np.ndarray:
    return FRAME[..., 0].astype(int) - cast(FRAME, two_legs(), box)[..., 0]


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
    shaded = cast(frame, two_legs(), (300, 90, 160, 400))
    np.testing.assert_array_equal(frame, FRAME)
    assert shaded.shape == frame.shape
    assert shaded.dtype == np.uint8


def test_a_tiny_figure_has_a_tiny_shadow() -> None:
    figure = np.full((3, 2, 4), 255, np.uint8)
    shaded = cast(FRAME, figure, (500, 400, 2, 3))
    assert (shaded != FRAME).any(2).sum() < 60
