"""Picture files: make their folders, find their formats by their suffixes."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import open_upright
from deployments.messages import PictureFormat

FORMATS: dict[str, PictureFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
QUALITY = 95
MAX_PIXELS = 64_000_000


def format_of(path: str | Path) -> PictureFormat:
    """Return a file's format. Raises ValueError for a suffix that names none."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path} must end in one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def open_picture(path: str | Path) -> Image.Image:
    """Open a picture as RGB or RGBA, upright, in sRGB. Raises OSError for what is not a picture."""
    try:
        return open_upright(Path(path).read_bytes(), str(path), MAX_PIXELS)
    except InvalidRequest as error:
        raise OSError(error.message) from None


def write(path: str | Path, data: bytes) -> str:
    """Write a file. Return its path, as Django's fields take it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return str(file)
