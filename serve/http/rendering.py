"""Render JSON that holds pictures, which takes too long for the event loop if they are large."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .off_loop import off_loop

LARGE_BYTES = 128 << 10
CHUNK_BYTES = 192 << 10
"""A multiple of three, so that chunks of base64 can be joined."""
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

Body = Callable[[], dict[str, Any]]


class JsonResponse(Response):
    """A JSON response. If its pictures are large, it is rendered when it is sent, off the event loop."""

    media_type = "application/json"

    def __init__(
        self, body: Body, size_bytes: int = 0, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> None:
        made = later(body, size_bytes)
        super().__init__(None if callable(made) else render(made), status, headers)
        self._later = made if callable(made) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._later is not None:
            later, self._later = self._later, None
            self.body = await off_loop(lambda: render(later()))
            self.headers["content-length"] = str(len(self.body))
        await super().__call__(scope, receive, send)


def later(body: Body, size_bytes: int) -> dict[str, Any] | Body:
    """Make a body now if its pictures are small; else return the function that makes it."""
    return body if size_bytes > LARGE_BYTES else body()


def render(body: dict[str, Any]) -> bytes:
    """Encode JSON in steps of at most one string: the C encoder would take one step for everything."""
    return b"".join(piece.encode() for piece in ENCODER.iterencode(body))


def base64_of(data: bytes) -> str:
    """Encode to base64 in steps."""
    starts = range(0, len(data), CHUNK_BYTES)
    return "".join(base64.b64encode(data[at : at + CHUNK_BYTES]).decode("ascii") for at in starts)
