"""The outermost layer of the edge: every answer carries X-Request-ID, and no client steers Serve itself."""

from __future__ import annotations

import contextlib
import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .error_answers import Refusal, answer

ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
SERVE_CONTROL_HEADERS = ("x-request-timeout-seconds", "x-request-disconnect-disabled")


class RequestIds:
    """Takes the caller's X-Request-ID where it is plain, else makes one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        offered = headers.get("x-request-id", "")
        request_id = offered if ACCEPTED.fullmatch(offered) else uuid.uuid4().hex
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        # With these a client could switch off cancellation, or its own time limit.
        refused = next((name for name in SERVE_CONTROL_HEADERS if name in headers), None)
        if refused:
            refusal = Refusal(400, "invalid_header", f"the header {refused} is not accepted here", refused)
            await answer(Request(scope), refusal)(scope, receive, send_with_id)
            return
        # Starlette answers a fault with our 500 and then raises it again, for a server that logs; ours has.
        with contextlib.suppress(Exception):
            await self._app(scope, receive, send_with_id)
