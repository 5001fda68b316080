"""Convert a file's colours to 8-bit sRGB and keep its transparency: RGB or RGBA, as its sender saw it."""

from __future__ import annotations

from functools import cache
from io import BytesIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from deployments.imaging.files.parts import FileParts, TransparentColor

SAME_LEVELS = 1
"""A profile that moves no colour by more than this is sRGB, as most are: the pixels stay unchanged."""
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}
_DEVICES = ("scnr", "mntr", "prtr", "spac")
Alpha = NDArray[np.uint8]


def to_srgb(image: Image.Image, parts: FileParts) -> Image.Image:
    """Convert `image`, decoded from `parts.bare`, to sRGB.

    A profile that is broken, or for other colours, is ignored.
    """
    if not parts.profile and not parts.transparent and image.mode in ("RGB", "RGBA"):
        return image.copy()
    alpha = _alpha(image, parts)
    plain = _without_alpha(image, parts.grey)
    colors = _by_profile(plain, parts.profile) if parts.profile else None
    colors = plain.convert("RGB") if colors is None else colors
    if alpha is not None:
        colors.putalpha(Image.fromarray(alpha))
    return colors


def _alpha(image: Image.Image, parts: FileParts) -> Alpha | None:
    """Return (h, w), or None if the file declares nothing transparent."""
    if parts.transparent is not None:
        return _keyed(image, parts.bare, parts.transparent)
    if image.mode == "P" and "transparency" in image.info:
        return np.asarray(image.convert("RGBA").getchannel("A"))
    return np.asarray(image.getchannel("A")) if image.mode in ("RGBA", "LA") else None


def _keyed(image: Image.Image, bare: bytes, key: TransparentColor) -> Alpha:
    """Return (h, w): 0 where the file's own samples are the transparent colour, at their depth, else 255."""
    samples: NDArray[np.uint8] | NDArray[np.uint16]
    if len(key.samples) == 3 and key.bits == 16:  # Pillow keeps only the upper byte of these.
        samples = np.asarray(cv2.imdecode(np.frombuffer(bare, np.uint8), cv2.IMREAD_UNCHANGED), np.uint16)
        wanted = np.array(key.samples[::-1], np.uint16)  # BGR
    else:
        scale = 1 if key.bits == 16 else 255 // ((1 << key.bits) - 1)
        samples = np.asarray(image.convert("L") if image.mode == "1" else image)
        wanted = np.array([shade * scale for shade in key.samples], samples.dtype)
    same = samples == wanted
    hidden = same.all(2) if same.ndim == 3 else same
    return np.where(hidden, np.uint8(0), np.uint8(255))


def _without_alpha(image: Image.Image, grey: bool) -> Image.Image:
    """Convert to RGB, L or CMYK, of 8 bits."""
    if image.mode == "I;16":
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in _SPACES:
        return image
    if image.mode == "P":
        image = image.convert("RGBA")  # Via RGBA, whatever its `transparency` says.
    return image.convert("L" if grey else "RGB")


def _by_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert with littlecms.

    Return None if the profile is broken, is for other colours, or changes nothing.
    """
    try:
        own = ImageCms.ImageCmsProfile(BytesIO(profile))
        declared = own.profile
        if declared.xcolor_space != _SPACES[image.mode] or declared.device_class not in _DEVICES:
            return None
        transform = ImageCms.buildTransform(own, _srgb(), image.mode, "RGB")
        if image.mode == "RGB" and _is_srgb(transform):
            return None
        return transform.apply(image)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _is_srgb(transform: ImageCms.ImageCmsTransform) -> bool:
    moved = np.asarray(transform.apply(_swatches()), np.int16) - np.asarray(_swatches(), np.int16)
    return int(np.abs(moved).max()) <= SAME_LEVELS


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@cache
def _swatches() -> Image.Image:
    """Return every combination of 18 levels a channel."""
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3))
