"""Colours as seen under water."""

from __future__ import annotations

from models.training.places.canvas import Canvas
from models.training.places.place_colors import Colour, mix, rgb

# water at the surface, in the middle and at the floor; the light that falls in
WATER = {
    "dawn": ("ffd9c8", "7cc4d8", "4a8fc0", "fff0da"),
    "noon": ("b8fbf2", "30c4dc", "1484c4", "ffffff"),
    "sunset": ("ffb45a", "b8668e", "4a3f86", "ffcf7a"),
    "night": ("2c6f92", "123a6c", "0a1c48", "a8d8f0"),
}


def wet(c: Canvas, colour: Colour, share: float = 0.14) -> Colour:
    """Return a colour as seen under water at this time."""
    low = rgb(WATER[c.place.time][1])
    return mix(c.pal.lit(colour), low, share)
