"""Mutate inputs as coverage fuzzers do (AFL's havoc, Atheris' mutators): bytes, structure and JSON values."""

from __future__ import annotations

import copy
import json
import random
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from deployments.imaging.composite.layer_tags import KEY

NUMBERS = (0, -1, 1, 255, 256, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
KINDS = (
    b"tRNS",
    b"PLTE",
    b"tEXt",
    b"zTXt",
    b"iTXt",
    b"iCCP",
    b"eXIf",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"pHYs",
    b"bKGD",
)
WORDS = (b"transparency", b"icc_profile", b"exif", b"gamma", b"dpi", b"XML:com.adobe.xmp", KEY.encode())
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        0.1,
        4,
        1e30,
        -1e30,
        1e308,
        5e-324,
        2**63,
        -(2**64),
        10**40,
        64,
        1024,
        4096,
    ),
    *("", "a", "NaN", "auto", "paste", "right", "\x00", "‮", "é" * 300, "../x", [], {}, [1e30], {"x": 1e30}),
)


def mutated_bytes(chance: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Apply one to eight edits at random places."""
    made = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(made) + 1)
        match chance.randrange(7):
            case 0 if made:
                made[at % len(made)] ^= 1 << chance.randrange(8)
            case 1:
                number = chance.choice(NUMBERS) & 0xFFFFFFFF
                made[at : at + 4] = struct.pack(chance.choice("<>") + "I", number)
            case 2:
                del made[at : at + chance.randint(1, 64)]
            case 3:
                made[at:at] = chance.randbytes(chance.randint(1, 32))
            case 4:
                made[at:at] = made[at : at + chance.randint(1, 200)]
            case 5:
                other = chance.choice(others)
                start = chance.randrange(len(other) + 1)
                made[at : at + chance.randint(0, 200)] = other[start : start + chance.randint(1, 400)]
            case _:
                made[at:at] = chance.choice(WORDS) + b"\0"
    return bytes(made)


def with_chunk(chance: random.Random, data: bytes) -> bytes:
    """Insert a chunk with a correct checksum before the pixels of a PNG; leave other files unchanged."""
    at = data.find(b"IDAT") - 4
    if at < 33:
        return data
    kind, content = chance.choice(KINDS), chance.randbytes(chance.choice((0, 1, 2, 6, 9, 256, 257, 900)))
    if kind in (b"tEXt", b"zTXt", b"iTXt", b"iCCP"):
        packed = zlib.compress(content) if chance.random() < 0.5 else content
        content = chance.choice(WORDS) + b"\0" * chance.randint(0, 5) + packed
    return data[:at] + chunk(kind, content) + data[at:]


def with_tag(chance: random.Random, data: bytes, tag: dict[str, Any]) -> bytes:
    """Put a layer's tag with mutated values into a PNG."""
    at = data.find(b"IDAT") - 4
    if at < 33:
        return data
    reported = json.dumps(mutated_json(chance, tag)).encode()
    return data[:at] + chunk(b"tEXt", KEY.encode() + b"\0" + reported) + data[at:]


def mutated_json(chance: random.Random, value: Any) -> Any:
    """Change one to four values at any depth; keys may be removed, too."""
    made = copy.deepcopy(value)
    for _ in range(chance.randint(1, 4)):
        place, key = _anywhere(chance, made)
        if place is None:
            continue
        if isinstance(place, dict) and chance.random() < 0.15:
            place.pop(key)
        else:
            place[key] = copy.deepcopy(chance.choice(VALUES))
    return made


def chunk(kind: bytes, content: bytes) -> bytes:
    """Make a PNG chunk with a correct checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _anywhere(chance: random.Random, value: Any) -> tuple[Any, Any]:
    while isinstance(value, dict | list) and value:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = chance.choice(keys)
        if not isinstance(value[key], dict | list) or chance.random() < 0.3:
            return value, key
        value = value[key]
    return None, None
