"""Rooms and kitchens: the weather stays outside, and the lamps are lit at night."""

from __future__ import annotations

import numpy as np
import pytest

from models.training.places.canvas import Canvas
from models.training.places.draw_place import draw_place
from models.training.places.furniture import lamps_are_lit
from models.training.places.interior import opening
from models.training.places.place_spec import INDOORS, LAYOUTS, lay_out

SIZE = (512, 384)


@pytest.mark.parametrize("layout", range(LAYOUTS))
@pytest.mark.parametrize("kind", INDOORS)
def test_rain_and_snow_are_seen_through_the_window_alone(kind: str, layout: int) -> None:
    rain, snow = (
        np.asarray(draw_place(lay_out(kind, "noon", weather, layout), *SIZE)).astype(int)
        for weather in ("rain", "snow")
    )
    changed = np.abs(rain - snow).max(axis=2) > 40
    hole = opening(Canvas(lay_out(kind, "noon", "rain", layout), *SIZE))
    inside = np.zeros_like(changed)
    inside[int(hole.y) : int(hole.foot) + 1, int(hole.x) : int(hole.x + hole.w) + 1] = True
    assert changed[inside].mean() > 0.05
    assert changed[~inside].mean() < 0.005


@pytest.mark.parametrize("size", [(512, 384), (768, 384), (256, 192)])
@pytest.mark.parametrize("kind", INDOORS)
def test_the_window_is_within_the_picture_in_every_layout(kind: str, size: tuple[int, int]) -> None:
    for layout in range(LAYOUTS):
        hole = opening(Canvas(lay_out(kind, "noon", "clear", layout), *size))
        assert hole.x > 0
        assert hole.y > 0
        assert hole.x + hole.w < size[0]
        assert hole.foot < 0.7 * size[1]


@pytest.mark.parametrize("kind", INDOORS)
def test_lamps_are_lit_at_night_and_not_at_noon(kind: str) -> None:
    lit = {time: lamps_are_lit(Canvas(lay_out(kind, time, "clear", 0), *SIZE)) for time in ("noon", "night")}
    assert lit == {"noon": False, "night": True}
