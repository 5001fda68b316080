"""Decode uploaded files: measure them before decoding, turn them upright, and accept only one frame."""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.files import jpeg, png, webp
from deployments.imaging.files.colors import to_srgb
from deployments.imaging.files.orientation import turned_upright
from deployments.imaging.files.parts import FileParts, NoPicture
from deployments.imaging.files.picture_encoding import on_white
from deployments.messages import Pixels

log = logging.getLogger(__name__)
SMALLEST_PX = 16
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, struct.error, zlib.error)
"""Errors that Pillow and our own readers raise if a file is not what it claims to be."""


def open_upright(data: bytes, param: str, max_pixels: int) -> Image.Image:
    """Open a whole PNG, JPEG or WebP picture as RGB or RGBA in sRGB, its EXIF orientation applied.

    Metadata beside the pixels may be broken or large, and is never a reason to refuse the picture. `info`
    holds the text of a layer and the XMP, if there are any. Raises InvalidRequest naming `param`.
    """
    with _readable(param, max_pixels):
        parts = _split(data)
        _check_size(parts.size, param, max_pixels)
        if parts.frames > 1:
            raise InvalidRequest(f"{param} is an animation; send a still picture", param)
        with Image.open(BytesIO(parts.bare), formats=(parts.format,)) as picture:
            # No larger than its header declared: memory was reserved for that much.
            _check_size(picture.size, param, min(max_pixels, parts.size[0] * parts.size[1]))
            picture.load()
            upright = turned_upright(to_srgb(picture, parts), parts.exif, parts.xmp)
    upright.info.clear()
    upright.info.update(parts.texts, **({"xmp": parts.xmp} if parts.xmp else {}))
    return upright


def measure(data: bytes, param: str, max_pixels: int) -> int:
    """Return the pixels of a picture file without decoding it. Raises InvalidRequest naming `param`."""
    with _readable(param, max_pixels):
        parts = _split(data)
        _check_size(parts.size, param, max_pixels)
    return parts.size[0] * parts.size[1]


def figure_pixels(picture: Image.Image) -> Pixels:
    """Return (h, w, 4) if any pixel is transparent, else (h, w, 3): an alpha all 255 says nothing."""
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"))
    pixels = np.asarray(picture.convert("RGBA"))
    return pixels if pixels[..., 3].min() < 255 else np.ascontiguousarray(pixels[..., :3])


def place_pixels(picture: Image.Image) -> Pixels:
    """Return (h, w, 3), with what is transparent laid over white."""
    return np.asarray(on_white(picture).convert("RGB"))


def mask_of_transparent(picture: Image.Image, param: str) -> Pixels:
    """Return (h, w), 255 where the picture is wholly transparent and 0 elsewhere.

    Raises InvalidRequest naming `param` if nothing is transparent, since then nothing would be painted.
    """
    mask = np.where(np.asarray(picture.convert("RGBA"))[..., 3] == 0, 255, 0).astype(np.uint8)
    if not mask.any():
        raise InvalidRequest(f"{param} must be transparent where the picture is to be repainted", param)
    return mask


@contextmanager
def _readable(param: str, max_pixels: int) -> Iterator[None]:
    """Raise InvalidRequest for anything wrong with a file."""
    try:
        yield
    except (InvalidRequest, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(param, max_pixels) from None
    except DAMAGE:
        raise _not_whole(param) from None
    except Exception:  # Decoders raise errors of any kind; this may be our bug, so it is logged.
        log.warning("a decoder failed with an unexpected error", exc_info=True)
        raise _not_whole(param) from None


def _split(data: bytes) -> FileParts:
    if data.startswith(png.SIGNATURE):
        return png.split(data)
    if data.startswith(jpeg.START):
        return jpeg.split(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return webp.split(data)
    raise NoPicture("another format")


def _check_size(size: tuple[int, int], param: str, max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise _too_large(param, max_pixels)
    if min(size) < SMALLEST_PX:
        raise InvalidRequest(f"{param} must be at least {SMALLEST_PX} pixels wide and high", param)


def _not_whole(param: str) -> InvalidRequest:
    return InvalidRequest(f"{param} is not a valid PNG, JPEG or WebP picture", param)


def _too_large(param: str, max_pixels: int) -> InvalidRequest:
    return InvalidRequest(f"{param} has more than {max_pixels / 1e6:.4g} million pixels", param)
