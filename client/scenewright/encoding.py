"""Encode requests as JSON, and name the field that cannot be encoded."""

from __future__ import annotations

import json
import math
import numbers
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import not_sent

MAX_DEPTH = 64
"""The deepest nesting that the service reads."""


def encoded(body: Any) -> bytes:
    """Write `body` as JSON in UTF-8. Raises NotSent naming the field that JSON cannot carry."""
    try:
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_plain)
        return text.encode()
    except (TypeError, ValueError, RecursionError):  # Circular, NaN, a lone surrogate, or another type.
        path, why = next(_faults(body), ("", "cannot be encoded as JSON"))
    raise not_sent(f"{path or 'the request'} {why}", path or None)


def _plain(value: Any) -> Any:
    """Turn any mapping into an object, and NumPy's numbers into numbers."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    raise TypeError


def _faults(body: Any) -> Iterator[tuple[str, str]]:
    """Yield each fault as a field's path, such as `scenes.0.character`, and what is wrong with it."""
    left = [("", 0, body)]
    while left:
        path, depth, value = left.pop()
        if isinstance(value, Mapping | list | tuple):
            if depth == MAX_DEPTH:
                yield path.partition(".")[0], f"is nested deeper than {MAX_DEPTH} levels"
                return
            pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
            for name, item in reversed(list(pairs)):
                if why := _fault_of(str(name)):
                    yield path, f"has a key that {why}"
                left.append((f"{path}.{name}" if path else str(name), depth + 1, item))
        elif why := _fault_of(value):
            yield path, why


def _fault_of(value: Any) -> str:
    if isinstance(value, str):
        half = any("\ud800" <= letter <= "\udfff" for letter in value)
        return "contains a lone surrogate, or bytes that are not UTF-8" if half else ""
    if isinstance(value, float | numbers.Real) and not isinstance(value, numbers.Integral):
        return "" if math.isfinite(value) else f"is {float(value)}, which is not a JSON number"
    if value is None or isinstance(value, numbers.Integral):
        return ""
    kind = type(value)
    name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
    return f"has the type {name}, which JSON does not support"
