"""Draw a picture, labelled as a placeholder, for one that was not painted."""

from __future__ import annotations

import zlib
from colorsys import hls_to_rgb

from PIL import Image, ImageDraw

from ..choices import LayerKind
from .fonts import load_font

BACKDROP = (226, 228, 232)
LABEL = "placeholder"
LONGEST_TEXT = 60
RANGES = ((0.55, 0.52), (0.65, 0.4), (0.75, 0.28))
"""The ranges of hills, far to near: where each begins, as a fraction of the height, and its lightness."""


def placeholder(kind: LayerKind, width_px: int, height_px: int, words: str) -> Image.Image:
    """Draw a cloaked figure on a plain backdrop, or hills and a sky. `words` choose the hue."""
    hue = zlib.crc32(words.encode("utf-8", "replace")) / 2**32
    picture = Image.new("RGB", (width_px, height_px), BACKDROP)
    draw = ImageDraw.Draw(picture)
    if kind == "character":
        _figure(draw, width_px, height_px, hue)
    else:
        _hills(draw, width_px, height_px, hue)
    _write(draw, LABEL, width_px / 2, height_px * 0.78, max(9, height_px // 18))
    _write(
        draw, " ".join(words.split())[:LONGEST_TEXT], width_px / 2, height_px * 0.88, max(8, height_px // 36)
    )
    return picture


def _figure(draw: ImageDraw.ImageDraw, width: int, height: int, hue: float) -> None:
    middle, span = width / 2, min(width, 0.75 * height)
    shoulder, hem = 0.1 * span, 0.38 * span
    cloak = [
        (middle - shoulder, 0.34 * height),
        (middle + shoulder, 0.34 * height),
        (middle + hem, height),
        (middle - hem, height),
    ]
    draw.polygon(cloak, fill=_shade(hue, 0.34))
    head = 0.13 * span
    draw.ellipse(
        (middle - head, 0.24 * height - head, middle + head, 0.24 * height + head), fill=_shade(hue, 0.45)
    )


def _hills(draw: ImageDraw.ImageDraw, width: int, height: int, hue: float) -> None:
    for y in range(height):
        draw.line((0, y, width, y), fill=_shade(hue, 0.6 + 0.3 * y / height))
    sun = 0.09 * height
    across, down = 0.72 * width, 0.28 * height
    draw.ellipse((across - sun, down - sun, across + sun, down + sun), fill=(246, 246, 246))
    for number, (begins, lightness) in enumerate(RANGES):
        peak = width * (0.25 + 0.3 * number)
        crest = [(0, begins * height), (peak, (begins - 0.1) * height), (width, begins * height)]
        draw.polygon([(0, height), *crest, (width, height)], fill=_shade(hue + 0.08, lightness))


def _shade(hue: float, lightness: float) -> tuple[int, int, int]:
    red, green, blue = hls_to_rgb(hue % 1, min(1.0, lightness), 0.35)
    return round(red * 255), round(green * 255), round(blue * 255)


def _write(draw: ImageDraw.ImageDraw, text: str, x: float, y: float, size_px: int) -> None:
    font, text = load_font(size_px, text)
    draw.text((x - font.getlength(text) / 2, y), text, fill="white", font=font)
