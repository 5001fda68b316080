"""Check whether a caller already has a file, by its entity tag."""

from __future__ import annotations

from fastapi import Request


def has_tag(request: Request, tag: str) -> bool:
    """Return whether `If-None-Match` names this tag, or `*`."""
    given = request.headers.get("if-none-match", "").split(",")
    return bool({tag, "*"} & {each.strip().removeprefix("W/") for each in given})
