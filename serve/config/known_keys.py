"""Refuse every key of a parsed file that its types do not know, and suggest the key that was meant.

Serve's own schemas silently ignore unknown keys: `num_replica: 4` leaves one replica, without a message.
"""

from __future__ import annotations

import dataclasses
import difflib
import typing
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


class UnknownKey(ValueError):
    """Name the key by its path, and the nearest known one."""


def check_keys(value: Any, annotation: Any, path: str = "") -> None:
    """Check the keys of `value` against the models and dataclasses in `annotation`. Raises UnknownKey."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            check_keys(item, annotation, f"{path}[{index}]")
    shapes = list(_shapes(annotation))
    if not isinstance(value, dict) or not shapes:
        return
    known = {name: kind for shape in shapes for name, kind in _fields(shape).items()}
    for key, item in value.items():
        here = f"{path}.{key}" if path else str(key)
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            raise UnknownKey(f"{here} is not a known key" + (f"; did you mean {near[0]}?" if near else ""))
        check_keys(item, known[key], here)


def _shapes(annotation: Any) -> Iterator[type]:
    """Yield the models and dataclasses anywhere in an annotation such as `list[A] | None`."""
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
    ):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _shapes(argument)


def _fields(shape: type) -> dict[str, Any]:
    if issubclass(shape, BaseModel):
        return {name: field.annotation for name, field in shape.model_fields.items()}
    return typing.get_type_hints(shape)
