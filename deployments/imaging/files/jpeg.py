"""Split JPEG files (ITU-T T.81): keep tables, frame and scans, and read the application segments."""

from __future__ import annotations

import re

from deployments.imaging.files.parts import (
    MAX_PIECES,
    MAX_PROFILE_BYTES,
    MAX_TEXT_BYTES,
    FileParts,
    NoPicture,
)

START = b"\xff\xd8"
_SOI, _EOI, _SOS, _COMMENT, _DHT, _JPG, _DAC = 0xD8, 0xD9, 0xDA, 0xFE, 0xC4, 0xC8, 0xCC
_FRAMES = set(range(0xC0, 0xD0)) - {_DHT, _JPG, _DAC}
_SEGMENTS = {*range(0xC0, 0xD0), *range(0xDA, 0xF0), _COMMENT} - {_JPG}
_EXTENSIONS = {_JPG, *range(0xE0, 0x100)}
_ALONE = {0x01, *range(0xD0, 0xD9)}
_MARKER = re.compile(rb"\xff[\x01\xc0-\xfe]")
_JFIF = b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_ICC = b"ICC_PROFILE\0"


def split(data: bytes) -> FileParts:
    """Split a JPEG into its parts. Raises NoPicture."""
    parts, bare = FileParts("JPEG"), [START]
    profile: dict[int, tuple[int, bytes]] = {}
    at, lost = 2, False
    for _ in range(MAX_PIECES):
        at = _next_marker(data, at)
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2 : at + 4])
        if marker == _SOI and _is_segment(data, at + 2):  # A thumbnail, in a segment whose length is wrong.
            at = data.find(b"\xff\xd9", at) + 2
            if at < 2:
                raise NoPicture("no end of a thumbnail")
            continue
        if marker in _ALONE or (lost and not _believable(data, at, end)):
            at += 2
            continue
        if marker == _EOI:
            raise NoPicture("no scan")
        if marker == _SOS:
            if parts.size == (0, 0):
                raise NoPicture("no frame")
            parts.bare = b"".join([*bare, data[at:]])
            parts.profile = _joined(profile)
            return parts
        content = data[at + 4 : end]
        if marker in _EXTENSIONS:
            lost = not _is_segment(data, end)
            bare += _kept(marker, content)
            _read(marker, content, parts, profile)
            at = at + 2 if lost else end
            continue
        if end < at + 4:
            raise NoPicture("a segment with an invalid length")
        if marker in _FRAMES and len(content) >= 6:
            parts.size = int.from_bytes(content[3:5]), int.from_bytes(content[1:3])
        bare.append(data[at:end])
        at, lost = end, False
    raise NoPicture("too many segments")


def _next_marker(data: bytes, at: int) -> int:
    """Find where the next marker begins, skipping any bytes between two segments, as libjpeg does."""
    found = _MARKER.search(data, at)
    if found is None or found.end() + 2 > len(data):
        raise NoPicture("no more segments")
    return found.start()


def _is_segment(data: bytes, at: int) -> bool:
    begun = data[at : at + 2]
    return begun == b"\xff\xff" or (len(begun) == 2 and begun[0] == 0xFF and begun[1] in _SEGMENTS)


def _believable(data: bytes, at: int, end: int) -> bool:
    """Return whether a segment begins here, and not chance bytes of another one, judging by what follows."""
    if data[at + 1] == _SOS:
        return 1 <= data[at + 4] <= 4 and end - at - 2 == 6 + 2 * data[at + 4]
    return data[at + 1] in _SEGMENTS and end >= at + 4 and _is_segment(data, end)


def _kept(marker: int, content: bytes) -> list[bytes]:
    """Return the part of an application segment that says how colours are coded, or nothing."""
    if marker == 0xE0 and content.startswith(b"JFIF\0") and len(content) >= 14:
        return [_JFIF]
    if marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
        return [b"\xff\xee\x00\x0e" + content[:12]]
    return []


def _read(marker: int, content: bytes, parts: FileParts, profile: dict[int, tuple[int, bytes]]) -> None:
    if marker == 0xE1 and content.startswith(b"Exif\0"):
        parts.exif.append(content[6:])
    elif marker == 0xE1 and content.startswith(_XMP) and not parts.xmp:
        parts.xmp = content[len(_XMP) :][:MAX_TEXT_BYTES]
    elif marker == 0xE2 and content.startswith(_ICC) and len(content) > len(_ICC) + 2:
        number, count = content[len(_ICC)], content[len(_ICC) + 1]
        profile.setdefault(number, (count, content[len(_ICC) + 2 :]))


def _joined(profile: dict[int, tuple[int, bytes]]) -> bytes:
    """Return the colour profile, or nothing if one of its segments is missing."""
    pieces = [profile[number] for number in sorted(profile)]
    if not pieces or any(count != len(pieces) for count, _ in pieces) or max(profile) != len(pieces):
        return b""
    return b"".join(piece for _, piece in pieces)[:MAX_PROFILE_BYTES]
