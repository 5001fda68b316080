"""Choose a book's colours: warm paper and dark ink, and for its cover a deep colour from its picture."""

from __future__ import annotations

import colorsys
from pathlib import Path

Color = tuple[int, int, int]
"""(red, green, blue), 0 to 255."""
PAPER: Color = (253, 250, 243)
INK: Color = (46, 40, 36)
COVER_LUMINANCE = 0.05
"""Relative luminance of a cover: text in PAPER on it has a contrast of about 9 to 1 (WCAG 2 wants 4.5)."""
COVER_SATURATION = (0.25, 0.6)
THUMBNAIL_PX = 64


def cover_color(picture: Path) -> Color:
    """Return the mean colour of a picture file, darkened until text on the cover is readable."""
    from PIL import Image

    with Image.open(picture) as opened:
        opened.draft("RGB", (THUMBNAIL_PX, THUMBNAIL_PX))
        mean = opened.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    red, green, blue = (channel / 255 for channel in mean)  # type: ignore[union-attr]
    hue, _, saturation = colorsys.rgb_to_hls(red, green, blue)
    least, most = COVER_SATURATION
    saturation = 0.0 if saturation == 0 else min(max(saturation, least), most)
    lightness = 1.0
    while luminance(deep := _rgb(hue, lightness, saturation)) > COVER_LUMINANCE:
        lightness -= 0.01
    return deep


def luminance(color: Color) -> float:
    """Return a colour's relative luminance, 0 to 1, as WCAG 2 defines it."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (value / 255 for value in color)
    ]
    return sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _rgb(hue: float, lightness: float, saturation: float) -> Color:
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)
