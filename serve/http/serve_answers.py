"""Translate the errors that Ray Serve returns by itself, without the application, to the documented format.

Serve responds in plain text if a request takes longer than `http_options.request_timeout_s` (408), if its
queue is full (429 or 503), if nothing is at a path (404), and if a replica fails (500). These responses have
no Content-Length. Those of applications do, and another application of the same Serve may respond in plain
text.
"""

from __future__ import annotations

from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .error_responses import Refusal
from .raw_refusals import refuse_before_the_application
from .serve_routes import is_serves_own

READ_BYTES = 4 << 10
"""The bytes of Serve's own response that are read."""
PLAIN = (404, 408, 429, 503)
"""The statuses that Serve writes itself. A plain-text 500 is never a documented error."""
ROUTELESS = b"Route table is not populated yet."
"""The response of Serve's health check until its proxy first knows a route."""
NO_ROUTES = Refusal(
    503,
    "not_ready",
    "the service has just started; try again shortly",
    retry_after_s=1.0,
)
NOT_FOUND = Refusal(404, "not_found", "there is no such route")
TOO_LATE = Refusal(504, "deadline_exceeded", "the request took longer than this service allows")
INTERNAL = Refusal(
    500, "internal", "an internal error occurred; search for the request id in the logs of Ray Serve"
)


class DocumentedErrors:
    """Middleware around Serve's own code that translates its errors."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or is_serves_own(scope):
            await self._app(scope, receive, send)
            return
        response = _Response(self._app, scope, receive, send)
        try:
            await self._app(scope, receive, response.send)
        finally:
            # Serve sends no response for a failed replica, and uvicorn would then send its own.
            await response.end()


class _Response:
    """One response: passed on unchanged, or held back until it is complete and can be translated."""

    def __init__(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        self._app, self._scope, self._receive, self._send = app, scope, receive, send
        self._begun = False
        self._status = 500
        self._headers = Headers()
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if self._begun:
            await self._send(message)
        elif message["type"] == "http.response.start":
            self._status, self._headers = message["status"], Headers(raw=message["headers"])
            if not self._is_serves_own():
                self._begun = True
                await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")[: READ_BYTES - len(self._body)]
            if not message.get("more_body", False):
                await self.end()

    def _is_serves_own(self) -> bool:
        plain = self._headers.get("content-type", "").startswith("text/plain")
        written_by_serve = self._status in PLAIN and "content-length" not in self._headers
        return plain and (written_by_serve or self._status == 500)

    async def end(self) -> None:
        """Respond in place of Serve, unless its response was passed on unchanged."""
        if self._begun:
            return
        self._begun = True
        refusal = translated(self._status, self._body.decode(errors="replace"), self._headers)
        if refusal is NOT_FOUND and await knows_no_route_yet(self._app, self._scope):
            refusal = NO_ROUTES
        request_id = self._headers.get("x-request-id") or Headers(scope=self._scope).get("x-request-id", "")
        with suppress(OSError):  # The caller may be gone.
            await refuse_before_the_application(refusal, request_id, self._scope, self._receive, self._send)


async def knows_no_route_yet(app: ASGIApp, scope: Scope) -> bool:
    """Probe Serve's proxy itself: it listens before its controller has sent it any route."""
    said = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.extend(message.get("body", b""))

    path = scope.get("root_path", "").rstrip("/") + "/-/healthz"
    health = {"method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []}
    await app({**scope, **health, "http_version": "1.0", "state": {}}, receive, send)
    return bytes(said) == ROUTELESS


def translated(status: int, body: str, headers: Headers) -> Refusal:
    """Return our error for a plain-text one of Serve's."""
    after = headers.get("retry-after", "")
    retry_after_s = float(after) if after.isdecimal() else None
    if status == 404:
        return NOT_FOUND
    if status == 408:
        return TOO_LATE
    if status == 429 or (status == 503 and "backpressure" in body):
        message = "the service has more requests than it can handle; try again shortly"
        return Refusal(status, "overloaded", message, retry_after_s=retry_after_s or 1.0)
    if status == 503:
        message = "no replica of the service can be reached; try again shortly"
        return Refusal(503, "not_ready", message, retry_after_s=retry_after_s or 5.0)
    return INTERNAL
