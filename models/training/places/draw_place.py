"""Procedural picture-book backgrounds: sample a place and draw it at any size."""

from __future__ import annotations

from PIL import Image

from models.training.places.canvas import Canvas
from models.training.places.interior import look_out, outside
from models.training.places.place_scenes import SCENES
from models.training.places.place_spec import (
    BELOW_WATER,
    INDOORS,
    KINDS,
    TIMES,
    WEATHERS,
    Place,
    sample_place,
)
from models.training.places.sky import draw_sky, draw_weather

__all__ = ["KINDS", "TIMES", "WEATHERS", "Place", "draw_place", "sample_place"]


def draw_place(place: Place, width: int = 512, height: int = 384) -> Image.Image:
    """Render ``place`` as RGB, composed for the given size."""
    canvas = Canvas(place, width, height)
    if place.kind in INDOORS:
        look_out(canvas)
        draw_sky(canvas)
        outside(canvas)
        draw_weather(canvas)
        SCENES[place.kind](canvas)
    elif place.kind in BELOW_WATER:
        SCENES[place.kind](canvas)
    else:
        draw_sky(canvas)
        SCENES[place.kind](canvas)
        draw_weather(canvas)
    return canvas.image()
