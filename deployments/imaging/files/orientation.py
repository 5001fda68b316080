"""Find which way up a picture is, by EXIF (CIPA DC-008) or else by XMP; read nothing else from them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from PIL import Image

_TAG, _SHORT, _ENTRY_BYTES = 0x0112, 3, 12
_ORDERS: dict[bytes, Literal["little", "big"]] = {b"II": "little", b"MM": "big"}
_IN_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def turned_upright(image: Image.Image, exif: Iterable[bytes], xmp: bytes) -> Image.Image:
    """Turn the image by the first readable block of `exif`, else by `xmp`; not at all if neither says how."""
    declared = next((value for block in exif if (value := _orientation(block))), 0)
    if not declared and (found := _IN_XMP.search(xmp)):
        declared = int(found[1])
    return image.transpose(_TURNS[declared]) if declared in _TURNS else image


def _orientation(block: bytes) -> int:
    """Return 1 to 8, or 0 if a TIFF block does not say."""
    block = block.removeprefix(b"Exif\0\0")
    order = _ORDERS.get(block[:2])
    if order is None:
        return 0

    def number(at: int, size: int) -> int:
        return int.from_bytes(block[at : at + size], order)

    first = number(4, 4)
    for index in range(number(first, 2)):
        at = first + 2 + _ENTRY_BYTES * index
        if at + _ENTRY_BYTES > len(block):
            break
        if number(at, 2) == _TAG:
            value = number(at + 8, 2) if number(at + 2, 2) == _SHORT else number(at + 8, 4)
            return value if 1 <= value <= 8 else 0
    return 0
