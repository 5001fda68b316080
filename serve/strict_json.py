"""JSON that means one thing: UTF-8, finite numbers, no duplicate keys, no lone surrogates, bounded depth.

The standard parser takes NaN and lets the last of two equal keys win; both end as a 500, or as a picture that
nobody asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import Any, Never

MAX_DEPTH = 64
MAX_DIGITS = 300
"""No integer that passes is too large to be a float."""
EXACT = 2**53
"""Up to here a float holds every integer."""
STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


class InvalidJson(ValueError):
    """The message says what is wrong, in the caller's terms."""


def decode(body: bytes) -> Any:
    """Decode UTF-8 with or without a byte order mark. Raises InvalidJson."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidJson("the body is not UTF-8") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except json.JSONDecodeError as error:
        raise InvalidJson(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    _check_unicode(value)
    return value


def _check_depth(text: str) -> None:
    """Before parsing, since the parser itself recurses. Brackets inside strings do not count."""
    depth = 0
    for token in STRING_OR_BRACKET.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidJson(f"nested deeper than {MAX_DEPTH}")
        elif token[0] in "]}":
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise InvalidJson(f"the key {repeated[:60]!a} stands twice in one object")
    return made


def _refuse_constant(name: str) -> Never:
    raise InvalidJson(f"{name} is not a JSON number")


def _finite(literal: str) -> float:
    """Whole numbers are whole however they are written: JSON Schema takes 42.0 for an integer too."""
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
