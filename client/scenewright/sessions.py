"""Send calls to one service, retry them where that helps, and read its streams: the base of both clients."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from itertools import count
from typing import Any, Self, TypeVar

import httpx

from . import calls
from .call import Call, Stream
from .errors import ScenewrightError, ServerUnreachable
from .faults import in_our_words
from .http import Events, another_server, connection, is_stream, read_response, request_of
from .pictures import files_of, named, with_ids
from .retries import Retries

T = TypeVar("T")
JSON, EVENTS = "application/json", "text/event-stream"


class Session:
    """A session with one service, over one connection pool, which leaving a `with` closes.

    Every method raises ScenewrightError and ServerUnreachable (scenewright.errors). The constructor raises
    NotSent.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout_s: float = 150.0,
        retries: Retries = Retries(),  # noqa: B008 (it is frozen)
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._way, options = connection(url, api_key, timeout_s, transport)
        self.url = self._way.url
        self._timeout_s, self._retries = timeout_s, retries
        self._http = httpx.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def _uploaded(self, request: dict[str, Any]) -> dict[str, Any]:
        """Upload the picture files of a request's layers, and replace them by their ids."""
        ids = {}
        for file, param in files_of(request).items():
            with named(param):
                ids[file] = self._do(calls.upload_picture(file, param))["id"]
        return with_ids(request, ids)

    def _do(self, call: Call[T]) -> T:
        return self._persist(lambda: read_response(self._send(call, JSON), call), call.repeatable)

    def _follow(self, stream: Stream[T]) -> Generator[T, None, None]:
        """Yield a stream's events.

        Retries only until the stream begins: events that were sent cannot be sent again.
        """
        response = self._persist(lambda: self._open(stream), stream.call.repeatable)
        events = Events(response, stream)
        try:
            with in_our_words(self._way):
                for line in response.iter_lines():
                    if (event := events.feed(line)) is not None:
                        yield event
        finally:
            response.close()
        events.check_ended()

    def _persist(self, attempt: Callable[[], T], repeatable: bool) -> T:
        for tries in count(1):
            try:
                return attempt()
            except (ScenewrightError, ServerUnreachable) as failure:
                wait_s = self._retries.wait_s(failure, tries, repeatable, random.random())  # noqa: S311
                if wait_s is None:
                    raise
            time.sleep(wait_s)
        raise AssertionError("unreachable")

    def _open(self, stream: Stream[T]) -> httpx.Response:
        response = self._send(stream.call, EVENTS, stream=True)
        if not response.is_success:
            with in_our_words(self._way):
                response.read()
            read_response(response, stream.call)
        if not is_stream(response):
            response.close()
            raise another_server(response)
        return response

    def _send(self, call: Call[T], accept: str, stream: bool = False) -> httpx.Response:
        with in_our_words(self._way):
            return self._http.send(request_of(self._http, call, accept, self._timeout_s), stream=stream)


class AsyncSession:
    """Session with `await`."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        api_key: str | None = None,
        timeout_s: float = 150.0,
        retries: Retries = Retries(),  # noqa: B008 (it is frozen)
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._way, options = connection(url, api_key, timeout_s, transport)
        self.url = self._way.url
        self._timeout_s, self._retries = timeout_s, retries
        self._http = httpx.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def _uploaded(self, request: dict[str, Any]) -> dict[str, Any]:
        """Upload the picture files of a request's layers, and replace them by their ids."""
        ids = {}
        for file, param in files_of(request).items():
            with named(param):
                ids[file] = (await self._do(calls.upload_picture(file, param)))["id"]
        return with_ids(request, ids)

    async def _do(self, call: Call[T]) -> T:
        async def attempt() -> T:
            return read_response(await self._send(call, JSON), call)

        return await self._persist(attempt, call.repeatable)

    async def _follow(self, stream: Stream[T]) -> AsyncGenerator[T, None]:
        """Yield a stream's events.

        Retries only until the stream begins: events that were sent cannot be sent again.
        """
        response = await self._persist(lambda: self._open(stream), stream.call.repeatable)
        events = Events(response, stream)
        try:
            with in_our_words(self._way):
                async for line in response.aiter_lines():
                    if (event := events.feed(line)) is not None:
                        yield event
        finally:
            await response.aclose()
        events.check_ended()

    async def _persist(self, attempt: Callable[[], Awaitable[T]], repeatable: bool) -> T:
        for tries in count(1):
            try:
                return await attempt()
            except (ScenewrightError, ServerUnreachable) as failure:
                wait_s = self._retries.wait_s(failure, tries, repeatable, random.random())  # noqa: S311
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)
        raise AssertionError("unreachable")

    async def _open(self, stream: Stream[T]) -> httpx.Response:
        response = await self._send(stream.call, EVENTS, stream=True)
        if not response.is_success:
            with in_our_words(self._way):
                await response.aread()
            read_response(response, stream.call)
        if not is_stream(response):
            await response.aclose()
            raise another_server(response)
        return response

    async def _send(self, call: Call[T], accept: str, stream: bool = False) -> httpx.Response:
        with in_our_words(self._way):
            request = request_of(self._http, call, accept, self._timeout_s)
            return await self._http.send(request, stream=stream)
