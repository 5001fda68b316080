"""The optional finish: sharper, a little more contrast and colour, then an unsharp mask."""

from __future__ import annotations

from PIL import Image, ImageEnhance, ImageFilter

SHARPNESS = 1.2
CONTRAST = 1.1
COLOUR = 1.1
UNSHARP = ImageFilter.UnsharpMask(radius=1, percent=150, threshold=3)


def enhance(image: Image.Image) -> Image.Image:
    """Return a finished copy of the same size and mode. The order of the four steps affects the result."""
    image = ImageEnhance.Sharpness(image).enhance(SHARPNESS)
    image = ImageEnhance.Contrast(image).enhance(CONTRAST)
    image = ImageEnhance.Color(image).enhance(COLOUR)
    return image.filter(UNSHARP)
