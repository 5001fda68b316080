"""Take the pictures out of a JSON body before it is parsed.

A picture in base64 is a string of megabytes. The JSON parser would hold the interpreter for as long as it
reads one, so a token replaces it meanwhile. All work is done in pieces of 64 kB, as in strict_json.py.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Iterator, Mapping

from .strict_json import AT_ONCE_BYTES, WINDOW_BYTES, Body

KEY = b'"b64_json"'
BEFORE_VALUE = re.compile(rb'[ \t\r\n]{0,100}:[ \t\r\n]{0,100}"')
BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
LEAST_BYTES = AT_ONCE_BYTES
"""A shorter picture stays in the body."""
MOST_KEYS = 10_000
"""As many pictures as a job of a thousand scenes has. Later ones stay in the body."""


def without_pictures(body: Body) -> tuple[Body, Mapping[str, str]]:
    """Return the body with a token in place of each long picture, and the pictures by their tokens.

    A value that is not base64 stays in the body, where the parser and its limits see it.
    """
    prefix, pictures = secrets.token_hex(16), dict[str, str]()
    parts: list[Body] = []
    kept = 0
    for start, end in _values(body):
        text = _base64(body, start, end) if end - start > LEAST_BYTES else None
        if text is not None:
            token = f"{prefix}{len(pictures)}"
            pictures[token] = text
            parts += [body[kept:start], token.encode()]
            kept = end
    return (b"".join([*parts, body[kept:]]) if pictures else body), pictures


def may_hold_pictures(body: Body) -> bool:
    """Return whether the beginning of a body has the key of a picture."""
    return KEY in body


def file_bytes(pictures: Mapping[str, str]) -> int:
    """Return the bytes of the pictures' files, decoded."""
    return sum(3 * len(text) // 4 - text[-2:].count("=") for text in pictures.values())


def decode_base64(text: str) -> bytes:
    """Decode base64 in pieces. Raises ValueError if the text is not base64."""
    if "=" in text[:-2]:
        raise binascii.Error("there is data after the padding")
    starts = range(0, len(text), WINDOW_BYTES)
    return b"".join(base64.b64decode(text[at : at + WINDOW_BYTES], validate=True) for at in starts)


def _values(body: Body) -> Iterator[tuple[int, int]]:
    """Yield where the value of each key `b64_json` begins and ends, if it is a string."""
    at = 0
    for _ in range(MOST_KEYS):
        found = _find(body, KEY, at)
        if found < 0:
            return
        at = found + len(KEY)
        opening = BEFORE_VALUE.match(body, at)
        if opening is not None:
            end = _find(body, b'"', opening.end())
            if end < 0:
                return
            yield opening.end(), end
            at = end + 1


def _find(body: Body, wanted: bytes, start: int) -> int:
    """Return the index of these bytes in the body, or -1."""
    for at in range(start, len(body), WINDOW_BYTES):
        found = body.find(wanted, at, at + WINDOW_BYTES + len(wanted) - 1)
        if found >= 0:
            return found
    return -1


def _base64(body: Body, start: int, end: int) -> str | None:
    """Return a string's text if it is base64. Some JSON encoders write each slash as `\\/`."""
    pieces: list[Body] = []
    while start < end:
        stop = min(start + WINDOW_BYTES, end)
        stop += body[stop - 1 : stop] == b"\\" and stop < end  # Do not split an escape.
        piece = body[start:stop].replace(b"\\/", b"/")
        if piece.translate(None, BASE64):
            return None
        pieces.append(piece)
        start = stop
    return b"".join(pieces).decode("ascii")
