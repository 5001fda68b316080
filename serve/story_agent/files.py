"""Picture files: their folders made, their formats by their suffixes."""

from __future__ import annotations

from pathlib import Path

from deployments.messages import PictureFormat

FORMATS: dict[str, PictureFormat] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}
QUALITY = 95


def format_of(path: str | Path) -> PictureFormat:
    """Raises ValueError for a suffix that names none."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"{path} must end in one of {', '.join(FORMATS)}")
    return FORMATS[suffix]


def write(path: str | Path, data: bytes) -> str:
    """The path, as Django's fields take it."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return str(file)
