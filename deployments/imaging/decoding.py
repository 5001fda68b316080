"""Files from elsewhere to pixels: measured before they are decoded, turned upright, one frame and no more."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image, ImageOps

from deployments.errors import InvalidRequest
from deployments.imaging.encoding import on_white
from deployments.messages import Pixels

FORMATS = ("PNG", "JPEG", "WEBP")
SMALLEST_PX = 16


def open_upright(data: bytes, param: str, max_pixels: int) -> Image.Image:
    """A whole PNG, JPEG or WebP picture, decoded, its EXIF orientation applied; `info` holds its texts.

    Raises InvalidRequest naming `param`.
    """
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as picture:
            _check_size(picture, param, max_pixels)
            # A phone's JPEG may hold a second, smaller picture (MPO), and is not animated for that.
            if picture.format != "MPO" and getattr(picture, "n_frames", 1) > 1:
                raise InvalidRequest(f"{param} is an animation; send one picture", param)
            return ImageOps.exif_transpose(picture)
    except InvalidRequest:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(param, max_pixels) from None
    except Exception:  # Decoders of hostile bytes raise whatever they stumble over.
        message = f"{param} is not a whole PNG, JPEG or WebP picture"
        raise InvalidRequest(message, param) from None


def figure_pixels(picture: Image.Image, cut_out: bool = False) -> Pixels:
    """(h, w, 4) where some of the picture is transparent, else (h, w, 3): an alpha all 255 tells nothing.

    Not so where the figure is known to be `cut_out`.
    """
    if not picture.has_transparency_data:
        return np.asarray(_eight_bits(picture).convert("RGB"))
    pixels = np.asarray(picture.convert("RGBA"))
    return pixels if cut_out or pixels[..., 3].min() < 255 else np.ascontiguousarray(pixels[..., :3])


def place_pixels(picture: Image.Image) -> Pixels:
    """(h, w, 3): what is transparent in a place turns white."""
    return np.asarray(on_white(_eight_bits(picture)).convert("RGB"))


def _check_size(picture: Image.Image, param: str, max_pixels: int) -> None:
    if picture.width * picture.height > max_pixels:
        raise _too_large(param, max_pixels)
    if min(picture.size) < SMALLEST_PX:
        raise InvalidRequest(f"{param} must be at least {SMALLEST_PX} pixels wide and high", param)


def _too_large(param: str, max_pixels: int) -> InvalidRequest:
    return InvalidRequest(f"{param} has more than {max_pixels / 1e6:.4g} million pixels", param)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Pillow would clip 16-bit grays to their lowest 8 bits' range instead of scaling them."""
    if picture.mode != "I;16":
        return picture
    return Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
