"""The paths that need no key where the service needs keys. All others need one, under any prefix."""

from __future__ import annotations

from pathlib import Path

from starlette.types import Scope

from ..http.paths import route_path

STATIC_FOLDER = Path(__file__).parents[1] / "static"
STATIC_SUFFIXES = (".html", ".css", ".js", ".svg")
STATIC_FILES = tuple(sorted(file.name for file in STATIC_FOLDER.iterdir() if file.suffix in STATIC_SUFFIXES))
PUBLIC = frozenset(
    {"/", "/healthz", "/readyz", "/openapi.json", *(f"/static/{name}" for name in STATIC_FILES)}
)


def is_public(scope: Scope) -> bool:
    """Return whether the path is one of the listed ones, letter by letter.

    Not with another slash, dot or case.
    """
    return route_path(scope) in PUBLIC
