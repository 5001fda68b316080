"""Draw the simulation's pictures: a figure before a plain backdrop, or a sky; each has SIMULATED on it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deployments.messages import LayerKind, Pixels

STAMP = "SIMULATED"
BACKDROP = (224, 224, 222)
Colours = NDArray[np.int64]
"""(2, 3) RGB levels."""


def draw(kind: LayerKind, width_px: int, height_px: int, seed: int) -> Pixels:
    """Draw (height_px, width_px, 3) RGB.

    The seed chooses the colours; the same arguments give the same pixels.
    """
    colours = np.random.default_rng(seed).integers(50, 170, (2, 3))
    picture = _sky(width_px, height_px, colours)
    if kind == "character":
        picture = Image.new("RGB", (width_px, height_px), BACKDROP)
        _figure(picture, colours)
    else:
        # Above the middle, so that a cover-crop leaves it and a figure stands beside it.
        _stamp(picture, 0.25 * width_px, 0.3 * height_px, 0.4 * width_px)
    return np.asarray(picture)


def _sky(width_px: int, height_px: int, colours: Colours) -> Image.Image:
    ramp = np.linspace(0, 1, height_px)[:, None, None]
    rows = colours[0] * (1 - ramp) + colours[1] * ramp
    pixels = np.broadcast_to(rows, (height_px, width_px, 3)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _figure(picture: Image.Image, colours: Colours) -> None:
    """Draw a head, a wide robe with the stamp across it, two shoes; it keeps its shape in any frame."""
    tall = min(picture.height, picture.width / 0.75)
    middle, top = picture.width / 2, 0.5 * (picture.height - tall)

    def at(across: float, down: float) -> tuple[float, float]:
        return middle + across * tall, top + down * tall

    draw = ImageDraw.Draw(picture)
    robe, skin = (tuple(int(level) for level in colour) for colour in colours)
    for side in (-1, 1):
        draw.ellipse([at(side * 0.12 - 0.07, 0.88), at(side * 0.12 + 0.07, 0.94)], fill=(50, 46, 48))
    outline = [(-0.1, 0.3), (0.1, 0.3), (0.29, 0.5), (0.27, 0.91), (-0.27, 0.91), (-0.29, 0.5)]
    draw.polygon([at(*corner) for corner in outline], fill=robe)
    draw.ellipse([at(-0.11, 0.1), at(0.11, 0.33)], fill=skin)
    _stamp(picture, middle, top + 0.66 * tall, 0.5 * tall)


def _stamp(picture: Image.Image, x: float, y: float, room_px: float) -> None:
    """Draw the stamp: white with a black rim, centred, and as wide as its room."""
    size_px = max(6.0, 10 * room_px / ImageFont.load_default(10).getlength(STAMP))
    rim_px = max(1, round(size_px / 16))
    font = ImageFont.load_default(size_px)
    ImageDraw.Draw(picture).text(
        (x, y), STAMP, fill="white", stroke_width=rim_px, stroke_fill="black", anchor="mm", font=font
    )
