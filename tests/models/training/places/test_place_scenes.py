"""The kinds of place: each has its own drawing and its own features."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from models.training.places.draw_place import draw_place
from models.training.places.place_scenes import SCENES
from models.training.places.place_spec import KINDS, LAYOUTS, lay_out


def drawn(kind: str, time: str = "noon", layout: int = 0) -> NDArray[np.float64]:
    """Return the picture's pixels, from 0 to 1."""
    return np.asarray(draw_place(lay_out(kind, time, "clear", layout), 512, 384)) / 255


def test_every_kind_has_a_scene_and_every_scene_a_kind() -> None:
    assert tuple(SCENES) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_layout_is_another_picture(kind: str) -> None:
    pictures = [drawn(kind, layout=layout) for layout in range(LAYOUTS)]
    for number, one in enumerate(pictures):
        for other in pictures[:number]:
            assert (np.abs(one - other).max(axis=2) > 0.1).mean() > 0.05


def test_a_ship_lies_on_water_before_a_quay() -> None:
    for layout in range(LAYOUTS):
        picture = drawn("ship", layout=layout)
        sea, quay = picture[260:270, 8:60].mean(axis=(0, 1)), picture[-30:].mean(axis=(0, 1))
        assert sea[2] > sea[0], "the sea is blue"
        assert quay[0] > quay[2], "the quay is wooden"


def test_below_the_sea_light_falls_from_above_on_sand() -> None:
    for layout in range(LAYOUTS):
        picture = drawn("underwater", layout=layout)
        water, sand = picture[20:60].mean(axis=(0, 1)), picture[-10:].mean(axis=(0, 1))
        assert water[2] > water[0] + 0.1
        assert sand[0] > picture[200:240].mean(axis=(0, 1))[0]


def test_a_spaceship_has_a_round_window_that_is_lit_at_night() -> None:
    for layout in range(LAYOUTS):
        night = drawn("spaceship", "night", layout)
        yellow = (night[..., 0] > 0.85) & (night[..., 1] > 0.6) & (night[..., 2] < 0.55)
        assert yellow.sum() > 150


def test_a_garden_has_a_white_fence() -> None:
    for layout in range(LAYOUTS):
        band = drawn("garden", layout=layout)[190:270]
        assert (band.min(axis=2) > 0.85).mean() > 0.04
