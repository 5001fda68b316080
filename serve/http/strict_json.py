"""JSON that means one thing: UTF-8, finite numbers, no duplicate keys, no lone surrogates, bounded depth.

The standard parser takes NaN and lets the last of two equal keys win; both end as a 500, or as a picture that
nobody asked for. Its bounds are checked before (serve/http/json_structure.py).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from json.scanner import py_make_scanner  # type: ignore[attr-defined]
from typing import Any, Never

from .json_structure import MAX_DEPTH, InvalidJson, check_structure

__all__ = ["MAX_DEPTH", "InvalidJson", "decode"]

MAX_VALUES = 25_000
MAX_KEYS = 1_000
"""The keys of one object: no valid request has a tenth of it."""
MAX_DIGITS = 300
"""No integer that passes is too large to be a float."""
EXACT = 2**53
"""The largest number up to which a float holds every integer."""
AT_ONCE_BYTES = 16 << 10
"""So much is parsed by C in a millisecond or two, during which no other thread runs. More of it by Python."""


def decode(body: bytes, max_values: int = MAX_VALUES) -> Any:
    """Decode UTF-8 with or without a byte order mark. Raises InvalidJson."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidJson("the body is not UTF-8") from None
    check_structure(body, max_values)
    try:
        value = (json.JSONDecoder if len(body) <= AT_ONCE_BYTES else _InTurns)(**HOOKS).decode(text)
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    if b"\\ud" in body or b"\\uD" in body:
        _check_unicode(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_KEYS:
        raise InvalidJson(f"an object has more than {MAX_KEYS} keys")
    made = dict(pairs)
    if len(made) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InvalidJson(f"the key {repeated[:60]!a} stands twice in one object")
    return made


def _refuse_constant(name: str) -> Never:
    raise InvalidJson(f"{name} is not a JSON number")


def _finite(literal: str) -> float:
    """Return a finite number.

    Whole numbers are ints however they are written: JSON Schema takes 42.0 for an integer too. Raises
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
                raise InvalidJson("a string holds half of a surrogate pair") from None
        elif isinstance(item, dict):
            pending += [*item.keys(), *item.values()]
        elif isinstance(item, list):
            pending += item


class _InTurns(json.JSONDecoder):
    """The standard library's parser in Python: slower, and others get to run between any two values."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.scan_once = py_make_scanner(self)


HOOKS: dict[str, Any] = {
    "object_pairs_hook": _unique,
    "parse_constant": _refuse_constant,
    "parse_float": _finite,
    "parse_int": _bounded,
}
