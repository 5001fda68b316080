"""Server-Sent Events: a response written while the work goes on. The work ends if the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from .body import hang_up
from .error_responses import ClientGone, error_of
from .off_loop import off_loop
from .rendering import Body, render
from .request_slots import give_back
from .stream_budget import OpenStream

HEARTBEAT_S = 10.0
"""Proxies give up on a silent connection, mostly after a minute."""
LEAVES_WITHIN_S = 5.0
"""How long a stream that has to end may still write what its client has not read."""
HEARTBEAT = b": still at it\n\n"
EVENTS = "text/event-stream"


@dataclass(frozen=True)
class Event:
    """`id`: one line that a client sends as `Last-Event-ID` when it reconnects, or None.

    `data` that takes long to make is a function, which is called off the event loop.
    """

    name: str
    data: dict[str, Any] | Body
    id: str | None = None

    def encode(self) -> bytes:
        data = render(self.data() if callable(self.data) else self.data)
        events = "" if self.id is None else f"id: {self.id}\n"
        return b"".join((f"event: {self.name}\n{events}data: ".encode(), data, b"\n\n"))


EventProducer = Callable[[Callable[[Event], None]], Coroutine[Any, Any, None]]
"""Sends its events as they occur. The work itself bounds how many there can be."""


class EventStream(Response):
    """Give an error its own status if nothing is written yet; a later one becomes an event.

    `place` counts a stream that waits more than it works, instead of the slot that its request holds. If the
    place is recalled, the stream ends as if its time were over.
    """

    media_type = EVENTS

    def __init__(
        self,
        request: Request,
        work: EventProducer,
        heartbeat_s: float = HEARTBEAT_S,
        backend: str | None = None,
        place: AbstractContextManager[OpenStream] | None = None,
    ) -> None:
        events = {} if backend is None else {"X-Backend": backend}
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **events})
        del self.headers["content-length"]
        self._request_id: str = request.state.request_id
        self._work = work
        self._heartbeat_s = heartbeat_s
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as counted:
            place = None
            if self._place is not None:
                place = counted.enter_context(self._place)
                give_back(scope)
            await self._stream(place, receive, send)

    async def _stream(self, place: OpenStream | None, receive: Receive, send: Send) -> None:
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        working = asyncio.ensure_future(self._work(events.put_nowait))
        working.add_done_callback(lambda _: events.put_nowait(None))
        writing = asyncio.ensure_future(self._write(working, events, send))
        leaving = asyncio.ensure_future(hang_up(receive))
        ends = {writing, leaving}
        if place is not None:
            ends.add(asyncio.ensure_future(_end(place, working, writing)))
        tasks = (*ends, working)
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if not writing.done():
                raise ClientGone
            writing.result()
        except OSError:  # The server found the connection closed while writing.
            raise ClientGone from None
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _write(
        self, working: asyncio.Future[None], events: asyncio.Queue[Event | None], send: Send
    ) -> None:
        started = False

        async def write(chunk: bytes, more: bool = True) -> None:
            nonlocal started
            if not started:
                start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(start)
                started = True
            await send({"type": "http.response.body", "body": chunk, "more_body": more})

        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    event = await events.get()
            except TimeoutError:
                await write(HEARTBEAT)
                continue
            if event is None:
                break
            await write(await off_loop(event.encode) if callable(event.data) else event.encode())
            await asyncio.sleep(0)  # A job that has ended may send a thousand events at once.
        fault = None if working.cancelled() else working.exception()
        if isinstance(fault, Exception):
            if not started:
                raise fault
            await write(Event("error", error_of(fault, self._request_id)).encode())
        await write(b"", more=False)


async def _end(place: OpenStream, working: asyncio.Future[None], writing: asyncio.Future[None]) -> None:
    """End a stream when its time is over or another tenant gets its place. Return when it has to be gone.

    Cancelling its work ends the stream. A client that reads nothing is not waited for.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(place.lasts_s):
            await place.recalled.wait()
    working.cancel()
    await asyncio.wait({writing}, timeout=LEAVES_WITHIN_S)
