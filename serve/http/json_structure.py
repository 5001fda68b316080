"""Bound what a JSON body can hold before it is parsed: values, depth, and the lengths of strings and numbers.

A body is looked at in pieces of 64 kB, by operations on bytes alone: a few milliseconds for eight megabytes,
and never so long at once that other threads notice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

WINDOW_BYTES = 64 << 10
MAX_DEPTH = 64
MAX_STRING_BYTES = 1_250_000
"""The length as written: 100,000 letters, the most that a field takes, as pairs of `\\uXXXX`, and more."""
MAX_NUMBER_CHARS = 1_000
MAX_BLANK_WINDOWS = 32
"""The windows in a row: two megabytes of white space."""
BRACKETS = b"[]{}"
NOT_BRACKETS = bytes(set(range(256)) - set(BRACKETS))
NUMBER = b"+-.0123456789Ee"
AS_DIGITS = bytes(48 if byte in NUMBER else 32 for byte in range(256))
LONG_NUMBER = b"0" * (MAX_NUMBER_CHARS + 1)


class InvalidJson(ValueError):
    """The message says what is wrong, in the caller's terms."""


@dataclass
class _Strings:
    """The state after the last piece: inside of a string or not, and how long that string is so far."""

    inside: bool = False
    length: int = 0


def check_structure(body: bytes, max_values: int) -> None:
    """Check the bounds of a body.

    Raises InvalidJson. A body that is not JSON may pass: the parser says what is wrong with it.
    """
    values, depth, blank = 0, 0, 0
    for outside in _outside_of_strings(body):
        values += outside.count(b",") + outside.count(b"[") + outside.count(b"{")
        blank = blank + 1 if outside.isspace() else 0
        if blank > MAX_BLANK_WINDOWS:
            raise InvalidJson("the body is mostly white space")
        if LONG_NUMBER in outside.translate(AS_DIGITS):
            raise InvalidJson("a number has too many digits")
        for bracket in outside.translate(None, NOT_BRACKETS):
            depth += 1 if bracket in b"[{" else -1
            if depth > MAX_DEPTH:
                raise InvalidJson(f"nested deeper than {MAX_DEPTH}")
            if depth < 0:
                return
        if values > max_values:
            raise InvalidJson(f"the body holds more than {max_values} values")


def _outside_of_strings(body: bytes) -> Iterator[bytes]:
    """Yield the body in pieces, without its strings. Raises InvalidJson for one that is too long."""
    state, start = _Strings(), 0
    while start < len(body):
        end = min(start + WINDOW_BYTES, len(body))
        piece = body[start:end]
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # An escape is not taken apart.
            end = min(end + 1, len(body))
            piece = body[start:end]
        start = end
        # What is escaped ends no string. Pairs of backslashes first: one of them escapes the other.
        parts = piece.replace(b"\\\\", b"  ").replace(b'\\"', b"  ").split(b'"')
        outside = parts[state.inside :: 2]
        _measure(parts, state)
        yield b" ".join(outside)


def _measure(parts: list[bytes], state: _Strings) -> None:
    lengths = [len(part) for part in parts[not state.inside :: 2]]
    if state.inside:
        lengths[0] += state.length
    if max(lengths, default=0) > MAX_STRING_BYTES:
        raise InvalidJson(f"a string is longer than {MAX_STRING_BYTES} bytes")
    state.inside ^= len(parts) % 2 == 0
    state.length = lengths[-1] if state.inside else 0
