"""Rendered places: always the same, at any size, every kind at every time in every weather."""

from __future__ import annotations

import random

import numpy as np
import pytest

from models.training.places.draw_place import KINDS, TIMES, Place, draw_place, sample_place
from models.training.places.place_spec import weathers_of


def test_the_same_place_is_drawn_to_the_pixel_the_same() -> None:
    place = sample_place(random.Random(7))
    assert place == sample_place(random.Random(7))
    assert draw_place(place).tobytes() == draw_place(place).tobytes()


@pytest.mark.parametrize("size", [(512, 384), (768, 384), (256, 192)])
def test_a_place_has_the_requested_size(size: tuple[int, int]) -> None:
    picture = draw_place(sample_place(random.Random(1)), *size)
    assert picture.size == size
    assert picture.mode == "RGB"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_drawn_at_every_time_in_every_weather(kind: str) -> None:
    pictures = {
        draw_place(Place(kind, time, weather, seed=3), 128, 96).tobytes()
        for time in TIMES
        for weather in weathers_of(kind)
    }
    assert len(pictures) == len(TIMES) * len(weathers_of(kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_place_fills_its_picture_to_the_corners(kind: str) -> None:
    pixels = np.asarray(draw_place(Place(kind, "noon", "clear", seed=4), 256, 192)).astype(int)
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.sum(axis=-1) > 0).all()


def test_night_is_darker_than_noon() -> None:
    def brightness(time: str) -> float:
        return float(np.mean([np.asarray(draw_place(Place(kind, time, "clear"), 128, 96)) for kind in KINDS]))

    assert brightness("night") < 0.6 * brightness("noon")


def test_the_layout_follows_the_seed() -> None:
    one, other = (draw_place(Place("village", "noon", "clear", seed=seed), 128, 96) for seed in (1, 2))
    assert one.tobytes() != other.tobytes()
