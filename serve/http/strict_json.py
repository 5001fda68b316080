"""Decode and digest unambiguous JSON: UTF-8, finite numbers, no duplicate keys, no lone surrogates.

The standard parser accepts NaN and lets the last of two equal keys win. Both end in a 500, or in a picture
that no caller requested.

Before parsing, the body is checked against limits: values, depth, and the lengths of strings and numbers. It
is scanned in pieces of 64 kB, only with operations on bytes. That takes a few milliseconds for eight
megabytes, and never so long at once that other threads notice.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, Never

WINDOW_BYTES = 64 << 10
MAX_DEPTH = 64
MAX_STRING_BYTES = 1_250_000
"""The length as written: 100,000 characters, the most that a field takes, as pairs of `\\uXXXX`, and more."""
MAX_NUMBER_CHARS = 1_000
MAX_BLANK_WINDOWS = 32
"""The most windows in a row that are blank: two megabytes of white space."""
BRACKETS = b"[]{}"
NOT_BRACKETS = bytes(set(range(256)) - set(BRACKETS))
NUMBER = b"+-.0123456789Ee"
AS_DIGITS = bytes(48 if byte in NUMBER else 32 for byte in range(256))
LONG_NUMBER = b"0" * (MAX_NUMBER_CHARS + 1)
MAX_VALUES = 25_000
MAX_KEYS = 1_000
"""The most keys of one object. No valid request has a tenth of that."""
MAX_DIGITS = 300
"""No integer with this many digits is too large to be a float."""
EXACT = 2**53
"""The largest number up to which a float holds every integer."""
AT_ONCE_BYTES = 16 << 10
"""C parses this much in a millisecond or two, during which no other thread runs. Python parses any more."""
LONG_CHARS = 100_000
"""Only the text of a picture is longer."""

Body = bytes | bytearray


class InvalidJson(ValueError):
    """The message says what is wrong, in the caller's terms."""


@dataclass
class _Strings:
    """The state after the last piece: whether inside a string, and how long that string is so far."""

    inside: bool = False
    length: int = 0


def check_structure(body: Body, max_values: int) -> None:
    """Check the bounds of a body.

    Raises InvalidJson. A body that is not JSON may pass: the parser then says what is wrong with it.
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
                raise InvalidJson(f"the body is nested deeper than {MAX_DEPTH} levels")
            if depth < 0:
                return
        if values > max_values:
            raise InvalidJson(f"the body contains more than {max_values} values")


def _outside_of_strings(body: Body) -> Iterator[bytes]:
    """Yield the body in pieces, without its strings. Raises InvalidJson if a string is too long."""
    state, start = _Strings(), 0
    while start < len(body):
        end = min(start + WINDOW_BYTES, len(body))
        piece = bytes(body[start:end])
        if (len(piece) - len(piece.rstrip(b"\\"))) % 2:  # Do not split an escape.
            end = min(end + 1, len(body))
            piece = bytes(body[start:end])
        start = end
        # An escaped quote ends no string. Replace pairs of backslashes first: one escapes the other.
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


def decode(body: Body, max_values: int = MAX_VALUES, texts: Mapping[str, str] | None = None) -> Any:
    """Decode UTF-8 with or without a byte order mark. Raises InvalidJson.

    `texts`: the strings that tokens replace in the body, by token.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidJson("the body is not UTF-8") from None
    check_structure(body, max_values)
    try:
        hooks = HOOKS if not texts else HOOKS | {"object_pairs_hook": partial(_unique, texts=texts)}
        value = (json.JSONDecoder if len(body) <= AT_ONCE_BYTES else _InSlices)(**hooks).decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    if b"\\ud" in body or b"\\uD" in body:
        _check_unicode(value)
    return value


def digest_of(body: Any) -> str:
    """Return a digest that is equal for equal bodies, however they are written.

    The body is encoded in steps, for which the C encoder would take only one. A long text, which is a
    picture, is replaced by its digest: the encoder would hold the interpreter for all of it.
    """
    digest = hashlib.sha256()
    for piece in json.JSONEncoder(sort_keys=True).iterencode(_with_digests(body)):
        digest.update(piece.encode())
    return digest.hexdigest()


def _with_digests(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_digests(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_digests(each) for each in value]
    if isinstance(value, str) and len(value) > LONG_CHARS:
        return hashlib.sha256(value.encode()).hexdigest()
    return value


def _unique(pairs: list[tuple[str, Any]], texts: Mapping[str, str] | None = None) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise InvalidJson(f"an object has more than {MAX_KEYS} keys")
    made = dict(pairs)
    if len(made) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InvalidJson(f"the key {repeated[:60]!a} appears twice in one object")
    if texts:
        return {key: texts.get(each, each) if isinstance(each, str) else each for key, each in made.items()}
    return made


def _refuse_constant(name: str) -> Never:
    raise InvalidJson(f"{name} is not a JSON number")


def _finite(literal: str) -> float:
    """Return a finite number.

    Whole numbers become ints however they are written: in JSON Schema 42.0 is an integer too. Raises
    InvalidJson.
    """
    value = float(literal)
    if not math.isfinite(value):
        raise InvalidJson("a number is too large")
    return int(value) if value.is_integer() and abs(value) <= EXACT else value


def _bounded(literal: str) -> int:
    if len(literal) > MAX_DIGITS:
        raise InvalidJson("a number has too many digits")
    return int(literal)


def _check_unicode(value: Any) -> None:
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            try:
                item.encode("utf-8")
            except UnicodeEncodeError:
                raise InvalidJson("a string contains half of a surrogate pair") from None
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


class _InSlices(json.JSONDecoder):
    """The standard library's parser in Python: slower, but other threads can run between any two values."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.scan_once = py_make_scanner(self)


HOOKS: dict[str, Any] = {
    "object_pairs_hook": _unique,
    "parse_constant": _refuse_constant,
    "parse_float": _finite,
    "parse_int": _bounded,
}
