"""Draw every kind of place in every weather that it can have, in a few layouts."""

from __future__ import annotations

import random
from collections import Counter

from models.training.places.place_spec import (
    BELOW_WATER,
    KINDS,
    LAYOUTS,
    WEATHERS,
    lay_out,
    sample_place,
    weathers_of,
)


def test_every_kind_is_sampled_in_every_weather_that_it_can_have() -> None:
    rng = random.Random(1)
    seen = Counter((place.kind, place.weather) for place in (sample_place(rng) for _ in range(4_000)))
    assert set(seen) == {(kind, weather) for kind in KINDS for weather in weathers_of(kind)}


def test_there_is_no_weather_below_the_sea() -> None:
    assert all(weathers_of(kind) == ("clear",) for kind in BELOW_WATER)
    assert weathers_of("ship") == WEATHERS


def test_a_sampled_place_is_one_of_the_layouts() -> None:
    rng = random.Random(2)
    places = [sample_place(rng) for _ in range(200)]
    assert {place.seed for place in places} == set(range(LAYOUTS))
    assert all(place == lay_out(place.kind, place.time, place.weather, place.seed) for place in places)
