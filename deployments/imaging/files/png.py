"""Split PNG files (ISO/IEC 15948): keep the critical chunks and the transparency, and read the rest."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import islice

from deployments.imaging.files.parts import (
    LAYER_TAG,
    MAX_PIECES,
    MAX_PROFILE_BYTES,
    MAX_SEARCHES,
    MAX_TEXT_BYTES,
    FileParts,
    NoPicture,
    TransparentColor,
    unpacked,
)

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
_KEPT = re.compile(rb"IDAT|PLTE|tRNS|IEND")
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
_TAG = LAYER_TAG.encode()
_XMP = b"XML:com.adobe.xmp"

Chunk = tuple[bytes, bytes, bool]
"""(type, content, whether its checksum is right)"""


def split(data: bytes) -> FileParts:
    """Split a PNG into its parts. Raises NoPicture."""
    parts = FileParts("PNG")
    header = palette = transparency = b""
    pixels: list[bytes] = []
    packed: set[bytes] = set()
    claimed, frames = 1, False
    for kind, content, sound in _chunks(data):
        match kind:
            case b"IHDR" if not header:
                if not sound or len(content) != 13:
                    raise NoPicture("a broken header")
                header = content
            case b"PLTE" if not palette and sound:
                palette = content
            case b"tRNS" if not transparency and not pixels and sound:
                transparency = content
            case b"IDAT":
                pixels.append(content)
            case b"acTL" if not pixels and sound and len(content) == 8:
                claimed = int.from_bytes(content[:4])
            case b"fdAT":
                frames = True
            case b"iCCP" if kind not in packed:
                packed.add(kind)
                parts.profile = unpacked(content.partition(b"\0")[2][1:], MAX_PROFILE_BYTES)
            case b"eXIf":
                parts.exif.append(content)
            case b"tEXt" | b"zTXt" | b"iTXt":
                _read_text(kind, content, parts, packed)
    if not header or not pixels:
        raise NoPicture("no header or no pixels")
    parts.frames = claimed if frames else 1
    parts.size = struct.unpack(">II", header[:8])
    bits, color = header[8], header[9]
    parts.grey = color in (GREY, GREY_ALPHA)
    kept = [(b"IHDR", header)]
    if color == PALETTE:
        if not palette:
            raise NoPicture("no palette")
        kept += [(b"PLTE", palette)]
        if transparency:
            kept += [(b"tRNS", transparency[: len(palette) // 3])]
    elif (samples := {GREY: 1, RGB: 3}.get(color)) and len(transparency) == 2 * samples:
        # The unused high bits of a sample have no meaning.
        shades = (shade & ((1 << bits) - 1) for shade in struct.unpack(f">{samples}H", transparency))
        parts.transparent = TransparentColor(tuple(shades), bits)
    kept += [(b"IDAT", b"".join(pixels)), (b"IEND", b"")]
    parts.bare = SIGNATURE + b"".join(_chunk(kind, content) for kind, content in kept)
    return parts


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes) -> Iterator[Chunk]:
    """Yield all chunks up to IEND, or to the file's end. A chunk with a wrong length hides none after it."""
    at, searches = len(SIGNATURE), 0
    for _ in range(MAX_PIECES):
        if at + 8 > len(data):
            return
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 12 + length
        content = data[at + 8 : end - 4]
        if kind == b"IEND" and not length:
            return
        if kind not in (b"IHDR", b"IDAT", b"PLTE") and not _begins(data, end) and searches < MAX_SEARCHES:
            searches += 1
            found = _search(data, at + 8)
            if found is not None:
                yield kind, content, False
                at = found
                continue
        yield kind, content, zlib.crc32(kind + content) == int.from_bytes(data[end - 4 : end])
        at = end
    raise NoPicture("too many chunks")


def _begins(data: bytes, at: int) -> bool:
    """Return whether a chunk can begin there, or the file ends there."""
    if at + 12 > len(data):
        return at == len(data)
    kind = data[at + 4 : at + 8]
    fits = kind == b"IDAT" or at + 12 + int.from_bytes(data[at : at + 4]) <= len(data)
    return fits and kind.isascii() and kind.isalpha()


def _search(data: bytes, start: int) -> int | None:
    """Find the next whole chunk of a kept kind, among the first few that look like one."""
    for found in islice(_KEPT.finditer(data, start), MAX_SEARCHES):
        at = found.start() - 4
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if end <= len(data) and zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end]):
            return at
    return None


def _read_text(kind: bytes, content: bytes, parts: FileParts, packed: set[bytes]) -> None:
    """Read only the first text of each known keyword: unpacking one costs time, even if it is unreadable."""
    keyword, _, rest = content.partition(b"\0")
    if keyword not in (_TAG, _XMP, *_RAW_EXIF) or keyword in packed:
        return
    packed.add(keyword)
    if keyword == _TAG and kind == b"tEXt":
        parts.texts[LAYER_TAG] = rest[:MAX_TEXT_BYTES].decode("latin-1")
    elif keyword == _XMP and kind == b"iTXt":
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        parts.xmp = unpacked(text, MAX_TEXT_BYTES) if rest[:1] == b"\1" else text[:MAX_TEXT_BYTES]
    elif keyword in _RAW_EXIF and kind != b"iTXt":
        text = unpacked(rest[1:], MAX_TEXT_BYTES) if kind == b"zTXt" else rest[:MAX_TEXT_BYTES]
        parts.exif.append(_from_hex(text))


def _from_hex(text: bytes) -> bytes:
    """Decode ImageMagick's form: the name, the length, and lines of digits."""
    try:
        return bytes.fromhex(b"".join(text.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""
