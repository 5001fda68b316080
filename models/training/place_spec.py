"""What a place is: its kind, time, weather and layout seed."""

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
)
TIMES = ("dawn", "noon", "sunset", "night")
WEATHERS = ("clear", "cloudy", "rain", "snow", "fog")
_WEATHER_WEIGHTS = (40, 15, 15, 15, 15)


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


def sample_place(rng: random.Random) -> Place:
    """Draw a random place; every kind, time and weather can meet."""
    kind = rng.choice(KINDS)
    time = rng.choice(TIMES)
    weather = rng.choices(WEATHERS, _WEATHER_WEIGHTS)[0]
    if kind == "desert" and weather == "snow" and rng.random() < 0.5:
        weather = "clear"
    focus = rng.choice((0.24, 0.3, 0.5, 0.5, 0.7, 0.76)) + rng.uniform(-0.04, 0.04)
    sun = rng.uniform(0.12, 0.34)
    if focus < 0.4 or (focus < 0.6 and rng.random() < 0.5):
        sun = 1 - sun
    return Place(
        kind=kind,
        time=time,
        weather=weather,
        seed=rng.randrange(2**31),
        horizon=rng.uniform(0.51, 0.61),
        focus=focus,
        sun=sun,
    )
