"""Read and write picture files: their folders, formats and sizes."""

from __future__ import annotations

import struct
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps

from ..choices import PictureFormat

FORMATS: dict[str, PictureFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
QUALITY = 95
MAX_PIXELS = 64_000_000
SMALLEST_PX = 16
PNG_COMPRESS_LEVEL = 1  # Level 6 takes four times as long to save a few percent.
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, LookupError, ArithmeticError, struct.error)
"""The errors that Pillow raises for a damaged or mislabelled file."""


def format_of(path: str | Path) -> PictureFormat:
    """Return the format for a file's suffix. Raises ValueError for an unknown suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path} must end in one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def open_picture(path: str | Path) -> Image.Image:
    """Open a picture as RGB or RGBA, upright, in sRGB. Raises OSError if it is not a usable picture."""
    data = Path(path).read_bytes()
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            _check_size(picture.size, path)
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            return _in_srgb(upright)
    except _Unusable as error:
        raise OSError(str(error)) from None
    except Image.DecompressionBombError:
        raise OSError(f"{path} has more than {MAX_PIXELS / 1e6:.4g} million pixels") from None
    except DAMAGE:
        raise OSError(f"{path} is not a valid PNG, JPEG or WebP picture") from None


def save(picture: Image.Image, path: str | Path, quality: int = QUALITY) -> str:
    """Write a picture in the format of the file's suffix. Return its path, as Django's fields take it."""
    data = BytesIO()
    match format_of(path):
        case "jpeg":
            on_white(picture).save(data, "JPEG", quality=quality)
        case "png":
            picture.save(data, "PNG", compress_level=PNG_COMPRESS_LEVEL)
        case "webp":
            picture.save(data, "WEBP", quality=quality)
    return write(path, data.getvalue())


def write(path: str | Path, data: bytes) -> str:
    """Write a file. Return its path, as Django's fields take it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return str(file)


def on_white(picture: Image.Image) -> Image.Image:
    """Return the picture as RGB, with transparent parts in white."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture.convert("RGBA")).convert("RGB")


class _Unusable(Exception):
    """A picture that can be read, but is too large or too small."""


def _check_size(size: tuple[int, int], path: str | Path) -> None:
    if size[0] * size[1] > MAX_PIXELS:
        raise _Unusable(f"{path} has more than {MAX_PIXELS / 1e6:.4g} million pixels")
    if min(size) < SMALLEST_PX:
        raise _Unusable(f"{path} must be at least {SMALLEST_PX} pixels wide and high")


def _in_srgb(picture: Image.Image) -> Image.Image:
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    profile: Any = picture.info.get("icc_profile")
    plain = picture.convert(mode)
    if not profile or picture.mode not in ("RGB", "RGBA"):
        return plain
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        converted = ImageCms.profileToProfile(plain, source, ImageCms.createProfile("sRGB"), outputMode=mode)
    except ImageCms.PyCMSError:  # A profile that cannot be read says nothing about the colours.
        return plain
    return converted or plain
