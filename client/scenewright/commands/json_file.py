"""Read hand-written JSON, and report what is wrong with it before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import click


def read_json(name: str, text: str) -> Any:
    """Return the parsed text of the file `name`. Raises click.BadParameter."""
    try:
        return json.loads(text, parse_constant=_no_number, object_pairs_hook=_no_name_twice)
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise click.BadParameter(f"{name} is not JSON: {why}", param_hint="FILE") from error


def _no_number(name: str) -> None:
    raise ValueError(f"JSON has no {name}")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a duplicate name, which would silently lose one of its values."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} is given twice")
    return found
