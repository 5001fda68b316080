"""Enlarge a finished picture for print, by Lanczos resampling: its edges stay sharp, nothing is invented."""

from __future__ import annotations

from PIL import Image

METHOD = "lanczos"


def upscaled_size(width_px: int, height_px: int, factor: float) -> tuple[int, int]:
    """Return the size of a picture of (width_px, height_px) that is `factor` times as large."""
    return round(width_px * factor), round(height_px * factor)


def upscale(image: Image.Image, factor: float) -> Image.Image:
    """Return the image `factor` (1 or more) times as wide and as high; itself where that is 1.

    Pillow weights colours by their alpha, so that none bleeds out of what is transparent.
    """
    if factor == 1.0:
        return image
    return image.resize(upscaled_size(*image.size, factor), Image.Resampling.LANCZOS)
