"""Specify a place: its kind, time, weather and layout seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS = (
    "castle",
    "forest",
    "mountains",
    "village",
    "desert",
    "beach",
    "snowy field",
    "city",
    "cave",
    "meadow",
    "room",
    "kitchen",
    "garden",
    "ship",
    "spaceship",
    "underwater",
)
TIMES = ("dawn", "noon", "sunset", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")
_WEATHER_WEIGHTS = (40, 15, 15, 15, 15)
INDOORS = ("room", "kitchen")
BELOW_WATER = ("underwater",)
_LOOKS = {"underwater": 6, "castle": 3, "city": 3, "village": 3, "beach": 2, "cave": 2, "mountains": 2}
"""Showings per round of the kinds with the largest error after training.

These are the kinds with many small parts, and the one with no weather.
"""
LAYOUTS = 6
"""A small model paints a castle well if it has often seen it in the same few spots, and smears any other."""


@dataclass(frozen=True)
class Place:
    """One background; everything after ``weather`` is never put in a caption."""

    kind: str
    time: str
    weather: str
    seed: int = 0
    horizon: float = 0.56
    focus: float = 0.5
    sun: float = 0.3


def weathers_of(kind: str) -> tuple[str, ...]:
    """Return the weathers that a kind of place can have: there is none below the sea."""
    return ("clear",) if kind in BELOW_WATER else WEATHERS


def looks_in_a_round(place: Place) -> int:
    """Return how often a round of training shows this place: once, or more if a model learns it slowly."""
    return _LOOKS.get(place.kind, 1)


def sample_place(rng: random.Random) -> Place:
    """Sample a random place; a kind may have any time of day, and any weather that it can have."""
    kind = rng.choice(KINDS)
    time = rng.choice(TIMES)
    weather = rng.choices(WEATHERS, _WEATHER_WEIGHTS)[0]
    if weather not in weathers_of(kind):
        weather = "clear"
    if kind == "desert" and weather == "snow" and rng.random() < 0.5:
        weather = "clear"
    return lay_out(kind, time, weather, rng.randrange(LAYOUTS))


def lay_out(kind: str, time: str, weather: str, layout: int) -> Place:
    """Return a place with this layout, which sets where the horizon, the sun and the main thing are."""
    lot = random.Random(layout)
    focus = lot.choice((0.26, 0.5, 0.5, 0.74))
    sun = lot.uniform(0.14, 0.32)
    if focus < 0.4 or (focus < 0.6 and lot.random() < 0.5):
        sun = 1 - sun
    return Place(
        kind=kind,
        time=time,
        weather=weather,
        seed=layout,
        horizon=lot.uniform(0.53, 0.59),
        focus=focus,
        sun=sun,
    )
