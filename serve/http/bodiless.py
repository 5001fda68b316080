"""Refuse a large body where no route reads one: it would lie in memory for as long as the answer takes.

Ray Serve reads a request's body on and on while answering it, whether or not the application reads it; an
answer that is a stream of events lasts for hours.
"""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .error_responses import Refusal, refuse
from .paths import route_path
from .request_slots import HEALTH

METHODS = ("GET", "HEAD", "DELETE", "OPTIONS")
MAX_BYTES = 16 << 10
TOO_LARGE = Refusal(413, "payload_too_large", f"the body of such a request is limited to {MAX_BYTES} bytes")


class Bodiless:
    """The layer before everything that takes no body. A small one, which some clients send, is let go.

    It runs behind what checks keys and counts requests, since it may wait for the end of a body; for one
    of a health check, which is not counted, it does not wait.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self._app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in METHODS:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if _announced(headers) > MAX_BYTES:
                raise TOO_LARGE
            if "transfer-encoding" in headers:
                if route_path(scope) in HEALTH:
                    raise TOO_LARGE
                receive = await self._read(receive)
        except Refusal as refusal:
            await refuse(refusal, scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _read(self, receive: Receive) -> Receive:
        """Wait for the end of a body of unknown length, and return what the application receives."""
        received = 0
        message: Message = {"more_body": True}
        try:
            async with asyncio.timeout(self._timeout_s):
                while message.get("more_body"):
                    message = await receive()
                    received += len(message.get("body", b""))
                    if received > MAX_BYTES:
                        raise TOO_LARGE
        except TimeoutError:
            late = f"the body did not arrive within {self._timeout_s:g} s"
            raise Refusal(408, "request_timeout", late) from None
        last = [{**message, "body": b""} if message["type"] == "http.request" else message]

        async def receive_rest() -> Message:
            return last.pop() if last else await receive()

        return receive_rest


def _announced(headers: Headers) -> int:
    """Return the largest of the lengths that are given; what is no number is for the server to refuse."""
    given = headers.getlist("content-length")
    return max((int(each[:20]) for each in given if each.isdecimal()), default=0)
