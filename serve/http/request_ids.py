"""The edge's outermost middleware: every request gets an id, and no client can control Serve itself."""

from __future__ import annotations

import contextlib
import re
import uuid

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from .error_responses import Refusal, error_response

ACCEPTED = re.compile(r"[A-Za-z0-9._:/=+@-]{1,128}")
SERVE_CONTROL_HEADERS = ("x-request-timeout-seconds", "x-request-disconnect-disabled")


class RequestIds:
    """Use the request's X-Request-ID: the caller's, or the one that Serve's proxy made.

    The proxy copies it to the response too, unchecked, so an id with other characters has to be refused.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = ",".join(
            headers.getlist("x-request-id")
        )  # Two are not plain, whichever of them Serve takes.
        plain = ACCEPTED.fullmatch(offered)
        scope["state"] = {**scope.get("state", {}), "request_id": offered if plain else uuid.uuid4().hex}
        refusal = _refusal(headers, bool(plain))
        if refusal:
            await error_response(Request(scope), refusal)(scope, receive, send)
            return
        # After sending our 500, Starlette raises the error again for the server to log. We did log it.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, send)


def _refusal(headers: Headers, plain: bool) -> Refusal | None:
    # With these a client could switch off cancellation, or its own time limit.
    for name in SERVE_CONTROL_HEADERS:
        if name in headers:
            return Refusal(400, "invalid_header", f"the header {name} is not accepted here", name)
    if "x-request-id" in headers and not plain:
        message = "x-request-id must be 1 to 128 letters, digits or characters from . _ : / = + @ -"
        return Refusal(400, "invalid_header", message, "x-request-id")
    return None
