"""End requests under way when their key ends: those that wait or stream for a revoked key stop.

Requests that only read, such as a job's events, also end with their token. Those that paint are finished.

A request is ended the way asyncio.timeout ends a block: its task is cancelled, and the cancellation is undone
once it has left the block.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from deployments.errors import NotReady

from ..http.error_responses import Refusal, error_of, refuse
from ..http.sse import EVENTS, Event
from .key_cache import CHECK_EVERY_S, KeyCache
from .keys import Key
from .token_cache import ENDED

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class _Live:
    """One request: how much of its response was sent, and how its key or token ended."""

    def __init__(self, key: Key, token_ends: float, task: asyncio.Task[Any], send: Send) -> None:
        self.key, self.token_ends, self.task, self._send = key, token_ends, task, send
        self.started = self.streams = self.over = False
        self.end: str | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            kind = Headers(raw=message.get("headers", [])).get("content-type", "")
            self.streams = kind.startswith(EVENTS)
        elif message["type"] == "http.response.body":
            self.over = not message.get("more_body", False)
        await self._send(message)

    def stop(self, end: str) -> None:
        """End the request, unless a response other than a stream is being sent, which ends soon."""
        if self.end is None and not self.over and (self.streams or not self.started):
            self.end = end
            self.task.cancel()


class LiveRequests:
    """The requests of one edge replica. Their keys are checked once a second while there are any."""

    def __init__(self, keys: KeyCache, every_s: float = CHECK_EVERY_S) -> None:
        self._keys, self._every_s = keys, every_s
        self._live: set[_Live] = set()
        self._watch: asyncio.Task[None] | None = None

    async def run(
        self,
        app: App,
        key: Key,
        scope: Scope,
        receive: Receive,
        send: Send,
        token_ends: float = math.inf,
    ) -> None:
        """Call the application for a request with this key. If the key ends first, respond with 401.

        `token_ends` is when the request's token expires, by the keys' clock.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (a coroutine of asyncio runs in one)
        cancelling = task.cancelling()
        live = _Live(key, token_ends, task, send)
        self._live.add(live)
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._watch_keys())
        try:
            await app(scope, receive, live.send)
        except asyncio.CancelledError:
            if live.end is None or task.uncancel() > cancelling:
                raise
            await _watch(live, scope, receive, send)
        finally:
            self._live.discard(live)

    async def _watch_keys(self) -> None:
        await asyncio.sleep(self._every_s)
        while self._live:
            try:
                await self._keys.refresh()
            except NotReady:  # Running requests go on; new ones get the error.
                await asyncio.sleep(self._every_s)
                continue
            for live in tuple(self._live):
                if end := self._keys.end_of(live.key):
                    live.stop(f"this key {end}")
                elif live.token_ends <= self._keys.now():
                    live.stop(ENDED)
            await asyncio.sleep(self._every_s)


async def _watch(live: _Live, scope: Scope, receive: Receive, send: Send) -> None:
    """Send the reason why the request ended, as its response or as a stream's last event."""
    refusal = Refusal(401, "unauthenticated", live.end or "")
    if not live.started:
        await refuse(refusal, scope, receive, send)
        return
    request_id = scope.get("state", {}).get("request_id", "")
    last = Event("error", error_of(refusal, request_id)).encode()
    await send({"type": "http.response.body", "body": last, "more_body": False})
