"""Refuse headers that Ray Serve would fail on, or obey, before the application sees them.

Serve's proxy, and the edge's replicas behind HAProxy, decode some headers as UTF-8 and return a plain 500
if they cannot. HTTP allows other bytes in a value (RFC 9110, 5.5), so this middleware runs before Serve's own
code: the hook of proxy_hook.py puts it there. With two other headers a client could set Serve's own time
limit, whose response is not in our format, or keep its work running after it disconnects.
"""

from __future__ import annotations

from ray.serve._private.constants import (
    SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER,
    SERVE_HTTP_REQUEST_ID_HEADER,
    SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER,
    SERVE_MULTIPLEXED_MODEL_ID,
    SERVE_SESSION_ID,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from .error_responses import Refusal
from .raw_refusals import refuse_before_the_application


def _normalised(name: str) -> str:
    """Spell a header's name as Serve compares it: proxies write hyphens for underscores."""
    return name.lower().replace("-", "_")


DECODED = frozenset(
    map(
        _normalised,
        (
            SERVE_HTTP_REQUEST_ID_HEADER,
            SERVE_MULTIPLEXED_MODEL_ID,
            SERVE_SESSION_ID,
        ),
    )
)
"""The headers whose values Serve decodes."""
CONTROL = frozenset((SERVE_HTTP_REQUEST_TIMEOUT_S_HEADER, SERVE_HTTP_REQUEST_DISCONNECT_DISABLED_HEADER))
TRACING = (b"traceparent", b"tracestate")
"""Serve reads them if its own tracing is on. They must be ASCII (W3C Trace Context); others are dropped."""


class PlainHeaders:
    """Middleware that runs before Serve's own code."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refusal is None:
            if any(_is_broken(*header) for header in scope.get("headers", ())):
                kept = [header for header in scope["headers"] if not _is_broken(*header)]
                scope = {**scope, "headers": kept}
            await self._app(scope, receive, send)
            return
        await refuse_before_the_application(refusal, "", scope, receive, send)


def _refusal(scope: Scope) -> Refusal | None:
    if not scope["path"].startswith("/"):  # As in `OPTIONS *`. Serve's own 404 is not in our format.
        return Refusal(400, "invalid_request", "the request's target must be a path")
    for name, value in scope["headers"]:
        shown = name.decode("latin-1")
        if not name.isascii():
            return Refusal(400, "invalid_header", "the name of a header is not ASCII")
        if shown.lower() in CONTROL:
            return Refusal(400, "invalid_header", f"the header {shown} is not accepted here", shown)
        if _normalised(shown) in DECODED and not _is_utf_8(value):
            return Refusal(400, "invalid_header", f"the value of {shown} is not UTF-8", shown)
    return None


def _is_broken(name: bytes, value: bytes) -> bool:
    """Return whether Serve must not see the header. It would copy an empty request id to the response."""
    if name.lower() == SERVE_HTTP_REQUEST_ID_HEADER.encode():
        return not value.strip()
    return name.lower() in TRACING and not value.isascii()


def _is_utf_8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True
