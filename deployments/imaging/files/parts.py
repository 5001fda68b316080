"""Split a picture file into what its pixels need, and what it says of itself besides."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

LAYER_TAG = "scenewright:clean-layer"
"""The keyword of the PNG text in which a layer says of which scene it is."""
MAX_PIECES = 200_000
"""Chunks or segments of one file: more are no picture's, and would only cost time."""
MAX_SEARCHES = 64
"""Searches in one file, and places in each, for a part behind a wrong length."""
MAX_PROFILE_BYTES = 32 << 20
MAX_TEXT_BYTES = 1 << 20
"""Bytes of a packed text, unpacked: what is longer is cut."""


@dataclass(frozen=True)
class TransparentColor:
    """The one colour of a PNG that is transparent: a grey shade or RGB, at the file's own bit depth."""

    samples: tuple[int, ...]
    bits: int


@dataclass
class FileParts:
    """The parts of a file.

    `bare` is a file of `size` (width, height) with the same pixels that says nothing else.

    `grey` where it has no colour channels. `exif` (TIFF blocks), `xmp`, `profile` (ICC) and `texts` are as
    they came, broken or not.
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
    """The file's own parts, those that its pixels need, are not all there."""


def unpacked(data: bytes, most_bytes: int) -> bytes:
    """Unpack at most so much of a zlib stream, as far as it can be read: never more than that in memory."""
    stream = zlib.decompressobj()
    try:
        return stream.decompress(data, most_bytes)
    except zlib.error:
        return b""
