"""Send requests: in an open loop at the intended times, however slow the responses, or in a closed loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Self

import aiohttp

from .exchange import Received, Refused, exchange
from .picture_check import flaw
from .record import CANCELLED, OK, Record
from .request_plan import PlannedRequest

Sink = Callable[[Record], None]
HEADROOM_S = 0.05
"""Time to get ready before the run's start, so that the first request is not already late."""


@dataclass(frozen=True)
class Target:
    url: str
    timeout_s: float = 150.0
    api_key: str | None = field(default=None, repr=False)


class Traffic:
    """Requests to one service, on one clock, inside an `async with` block. `in_flight` are open now."""

    def __init__(self, target: Target, sink: Sink) -> None:
        self._target, self._sink = target, sink
        # One thread: decoding pictures must not take a core from a service on the same machine.
        self._checking = ThreadPoolExecutor(1, thread_name_prefix="check")
        self.in_flight = 0

    async def __aenter__(self) -> Self:
        key = self._target.api_key
        self._http = aiohttp.ClientSession(
            f"{self._target.url}/",
            # An idle connection that the server drops would look like an error of the server.
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=1.0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
            headers={"Authorization": f"Bearer {key}"} if key else {},
            read_bufsize=1 << 20,
        )
        self._start = asyncio.get_running_loop().time() + HEADROOM_S
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self._http.close()
        self._checking.shutdown(wait=False, cancel_futures=True)

    def now(self) -> float:
        """Return seconds after the run's start."""
        return asyncio.get_running_loop().time() - self._start

    async def open_loop(self, requests: Iterable[PlannedRequest]) -> None:
        """Send each at its `at_s`, never waiting for a response. Return when the last one has arrived."""
        async with asyncio.TaskGroup() as group:
            for request in requests:
                await asyncio.sleep(max(0.0, (request.at_s or 0.0) - self.now()))
                group.create_task(self.send(request, request.at_s or 0.0))

    async def closed_loop(self, requests: Iterator[PlannedRequest], users: int, until_s: float) -> None:
        """Run `users` that each send their next request when the last response arrives, until `until_s`."""
        await asyncio.sleep(max(0.0, -self.now()))
        async with asyncio.TaskGroup() as group:
            for _ in range(users):
                group.create_task(self._user(requests, until_s))

    async def _user(self, requests: Iterator[PlannedRequest], until_s: float) -> None:
        while (at_s := self.now()) < until_s:
            await self.send(next(requests), at_s)

    async def send(self, request: PlannedRequest, intended_s: float) -> None:
        """Send a request, check the response, and give its record to the sink."""
        self._sink(await self.checked(request, *await self.attempt(request, intended_s)))

    async def attempt(self, request: PlannedRequest, intended_s: float) -> tuple[Record, list[bytes]]:
        """Send a request. Return its record, as far as HTTP shows it, and the unchecked pictures."""
        sent_s = self.now()
        received = Received()
        self.in_flight += 1
        try:
            code = await self._outcome(request, received)
        finally:
            self.in_flight -= 1
        record = Record(
            index=request.index,
            entry=request.entry,
            route=request.path,
            intended_s=intended_s,
            sent_s=sent_s,
            done_s=self.now(),
            code=code,
            status=received.status,
            first_byte_s=received.first_byte_at,
            stages_s=received.stages_s,
            pictures=len(received.pictures),
            received_bytes=sum(map(len, received.pictures)),
            request_id=received.request_id,
            backend=received.backend,
            degraded=received.degraded,
        )
        return record, received.pictures

    async def checked(self, request: PlannedRequest, record: Record, pictures: list[bytes]) -> Record:
        """Check the pictures in a thread, after the clock was read: decoding does not count as latency."""
        if not record.ok:
            return record
        loop = asyncio.get_running_loop()
        if len(pictures) != (len(request.body["scenes"]) if request.route == "jobs" else 1):
            return replace(record, code="bad picture: missing")
        for picture in pictures:
            if found := await loop.run_in_executor(self._checking, flaw, picture, request.wanted):
                return replace(record, code=f"bad picture: {found}")
        return record

    async def _outcome(self, request: PlannedRequest, received: Received) -> str:
        gives_up_s = request.cancel_after_s if request.cancel_after_s is not None else float("inf")
        try:
            async with asyncio.timeout(min(gives_up_s, self._target.timeout_s)):
                await exchange(self._http, request, received, self.now)
        except aiohttp.ServerTimeoutError:
            return "connection timeout"
        except TimeoutError:
            return CANCELLED if gives_up_s < self._target.timeout_s else "timeout"
        except Refused as refusal:
            return refusal.code
        except aiohttp.ClientSSLError:
            return "TLS failed"
        except aiohttp.ClientConnectorDNSError:
            return "host unknown"
        except aiohttp.ClientConnectorError:
            return "connection refused"
        except aiohttp.ClientError:
            return "connection lost"
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return "malformed response"
        return OK
