"""Hold the parts of a picture file: what its pixels need, and what else it says about itself."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

LAYER_TAG = "scenewright:clean-layer"
"""The keyword of the PNG text in which a layer names its scene."""
MAX_PIECES = 200_000
"""The most chunks or segments of one file: no real picture has more, and more would only cost time."""
MAX_SEARCHES = 64
"""The most searches in one file for a part after a wrong length, and the most candidates in each search."""
MAX_PROFILE_BYTES = 32 << 20
MAX_TEXT_BYTES = 1 << 20
"""Bytes of a text after unpacking: a longer one is cut."""


@dataclass(frozen=True)
class TransparentColor:
    """The one colour of a PNG that is transparent: a grey shade or RGB, at the file's own bit depth."""

    samples: tuple[int, ...]
    bits: int


@dataclass
class FileParts:
    """The parts of a file.

    `bare` is a file of `size` (width, height) with the same pixels and nothing else.

    `grey`: it has no colour channels. `exif` (TIFF blocks), `xmp`, `profile` (ICC) and `texts` are as they
    were in the file, broken or not.
    """

    format: str
    size: tuple[int, int] = (0, 0)
    bare: bytes = b""
    frames: int = 1
    grey: bool = False
    transparent: TransparentColor | None = None
    profile: bytes = b""
    exif: list[bytes] = field(default_factory=list)
    xmp: bytes = b""
    texts: dict[str, str] = field(default_factory=dict)


class NoPicture(ValueError):
    """Parts of the file that its pixels need are missing."""


def unpacked(data: bytes, most_bytes: int) -> bytes:
    """Unpack at most `most_bytes` of a zlib stream, and never hold more in memory; empty if it is broken."""
    stream = zlib.decompressobj()
    try:
        return stream.decompress(data, most_bytes)
    except zlib.error:
        return b""
