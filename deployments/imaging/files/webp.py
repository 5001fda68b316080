"""Split WebP files (RFC 9649): keep the picture's own chunks, and read the rest."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import islice

from deployments.imaging.files.parts import (
    MAX_PIECES,
    MAX_PROFILE_BYTES,
    MAX_SEARCHES,
    MAX_TEXT_BYTES,
    FileParts,
    NoPicture,
)

HEADER_BYTES = 12
ALPHA, ANIMATION = 0x10, 0x02
_PICTURE = (b"VP8 ", b"VP8L")
_KEPT = re.compile(rb"ALPH|VP8 |VP8L")


def split(data: bytes) -> FileParts:
    """Split a WebP file into its parts. Raises NoPicture."""
    parts = FileParts("WEBP")
    extended = alpha = picture = b""
    animation: list[bytes] = []
    for kind, content in _chunks(data):
        match kind:
            case b"VP8X" if not extended and len(content) >= 10:
                extended = content[:10]
            case b"ALPH" if not alpha and not picture:
                alpha = _chunk(kind, content)
            case b"VP8 " | b"VP8L" if not picture:
                picture = _chunk(kind, content)
                parts.size = _size(kind, content)
            case b"ANIM" | b"ANMF" if extended:
                animation.append(_chunk(kind, content))
            case b"ICCP" if not parts.profile:
                parts.profile = content[:MAX_PROFILE_BYTES]
            case b"EXIF":
                parts.exif.append(content.removeprefix(b"Exif\0\0"))
            case b"XMP " if not parts.xmp:
                parts.xmp = content[:MAX_TEXT_BYTES]
    flags = extended[0] if extended else 0
    if flags & ANIMATION and animation:
        parts.frames = sum(chunk.startswith(b"ANMF") for chunk in animation)
        parts.size = _canvas(extended)
        chunks = [_chunk(b"VP8X", bytes([flags & (ALPHA | ANIMATION)]) + extended[1:]), *animation]
    elif not picture:
        raise NoPicture("no pixels")
    elif extended:
        canvas = b"".join(struct.pack("<I", max(0, side - 1))[:3] for side in parts.size)
        chunks = [_chunk(b"VP8X", bytes([flags & ALPHA, 0, 0, 0]) + canvas), picture]
        if alpha and flags & ALPHA and picture.startswith(b"VP8 "):
            chunks.insert(1, alpha)
    else:
        chunks = [picture]
    body = b"WEBP" + b"".join(chunks)
    parts.bare = b"RIFF" + struct.pack("<I", len(body)) + body
    return parts


def _chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield all chunks up to the file's end, whatever length it claims.

    Raises NoPicture for a picture that is cut off.
    """
    at, searches = HEADER_BYTES, 0
    for _ in range(MAX_PIECES):
        if at + 8 > len(data):
            return
        kind, length = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        content, end = data[at + 8 : at + 8 + length], at + 8 + length + length % 2
        cut_off = len(content) < length
        if cut_off and kind in (*_PICTURE, b"ALPH", b"ANMF"):
            raise NoPicture("cut off")
        if (cut_off or not _begins(data, end)) and kind not in _PICTURE and searches < MAX_SEARCHES:
            searches += 1
            end = _search(data, at + 8) or end
        yield kind, content
        at = end
    raise NoPicture("too many chunks")


def _begins(data: bytes, at: int) -> bool:
    """Return whether a chunk can begin there, or the file ends there."""
    kind = data[at : at + 4]
    return at >= len(data) or (len(kind) == 4 and all(0x20 <= letter < 0x7F for letter in kind))


def _search(data: bytes, start: int) -> int | None:
    """Find the picture's next chunk, after one with a wrong length."""
    for found in islice(_KEPT.finditer(data, start), MAX_SEARCHES):
        at = found.start()
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        begun = data[at + 8 : at + 14]
        looks = {b"VP8 ": begun[3:] == b"\x9d\x01\x2a", b"VP8L": begun[:1] == b"\x2f"}.get(found[0], True)
        if looks and at + 8 + length <= len(data):
            return at
    return None


def _size(kind: bytes, content: bytes) -> tuple[int, int]:
    """Return (width, height), which are at the start of the picture's own stream."""
    if kind == b"VP8L":
        packed = int.from_bytes(content[1:5], "little")
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    wide, high = int.from_bytes(content[6:8], "little"), int.from_bytes(content[8:10], "little")
    return wide & 0x3FFF, high & 0x3FFF


def _canvas(extended: bytes) -> tuple[int, int]:
    return int.from_bytes(extended[4:7], "little") + 1, int.from_bytes(extended[7:10], "little") + 1
