"""Answer HEAD wherever GET is answered: the same status and headers, and no body (RFC 9110, 9.3.2)."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """Calls the application as GET would, passes on how its answer begins, and stops it there.

    A stream of events ends with its headers. Routes need not know: a new GET route answers HEAD too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        begun = asyncio.Event()

        async def pass_start(message: Message) -> None:
            if message["type"] == "http.response.start" and not begun.is_set():
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                begun.set()

        asked = {**scope, "method": "GET"}
        answering = asyncio.ensure_future(self._app(asked, receive, pass_start))
        beginning = asyncio.ensure_future(begun.wait())
        try:
            await asyncio.wait({answering, beginning}, return_when=asyncio.FIRST_COMPLETED)
            if answering.done():
                answering.result()
        finally:
            if "route" in asked:
                scope["route"] = asked["route"]  # The layers outside of this one count by it.
            for task in (answering, beginning):
                task.cancel()
            await asyncio.gather(answering, beginning, return_exceptions=True)
