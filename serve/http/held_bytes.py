"""Count what a request holds besides its body, with the body's bytes: pictures it reads, a file it sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Scope

from .body_limits import STATE, BodyShare


def hold_more(scope: Scope, more_bytes: int) -> None:
    """Add the bytes of pictures that a request reads or unpacks to those of its body.

    Raises Overloaded, and Refusal 413 if the request's own bytes would never fit.
    """
    share: BodyShare | None = scope.get("state", {}).get(STATE)
    if share is not None:
        share.grow_by(more_bytes)


def hold_response(scope: Scope, response_bytes: int) -> None:
    """Count the bytes of a kept file until it is sent as the response. A large one is sent alone.

    Raises Overloaded.
    """
    share: BodyShare | None = scope.get("state", {}).get(STATE)
    if share is not None:
        share.grow_as_far(response_bytes)


@contextmanager
def holding_more(scope: Scope, more_bytes: int) -> Iterator[None]:
    """Count such bytes for the duration of the block. Raises what hold_more raises."""
    hold_more(scope, more_bytes)
    try:
        yield
    finally:
        share: BodyShare | None = scope.get("state", {}).get(STATE)
        if share is not None:
            share.shrink_by(more_bytes)
