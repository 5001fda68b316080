"""Collect the usage of requests, and write it to the database once a second, in the background.

If the process is killed, usage not yet written is lost, as are the responses in progress. A job's
usage is written together with its picture instead (serve/jobs/leases.py).
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady
from deployments.messages import Unanswered, Usage

from ..graph.bill import Bill, Used, billing
from ..telemetry.logs import logger
from . import usage_store
from .usage_store import Who

WRITE_EVERY_S = 1.0
LONGEST_REST_S = 60.0
LATE_S = 10.0
"""How long to wait for the replicas' report of a layer that ended without a response."""
MOST_LATE = 10_000
FAULTS = (SQLAlchemyError, OSError, ValueError)
Layer = tuple[str, str]
Result = TypeVar("Result")


class UsageRecorder:
    """Record the usage of one process. `open_engine` is called in a thread, on the first read or write.

    `unanswered` returns the replicas' reports of layers that ended without a response.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        unanswered: Callable[[], Iterable[Unanswered]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_engine, self._unanswered, self._clock = open_engine, unanswered, clock
        self._engine: Engine | None = None
        self._used: dict[Who, Used] = {}
        self._late: dict[Layer, tuple[Who, float]] = {}
        self._seen: deque[str] = deque(maxlen=MOST_LATE)
        self._rest_s = WRITE_EVERY_S
        self._timer: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._under_way: set[asyncio.Task[None]] = set()

    @contextmanager
    def recording(self, who: Who) -> Iterator[Bill]:
        """Record what is painted inside the block, however it ends."""
        bill = Bill()
        try:
            with billing(bill):
                yield bill
        finally:
            self.record(who, bill)

    def record(self, who: Who, bill: Bill) -> None:
        """Add a request's bill. The usage of its open layers is added once their replicas report it."""
        if bill.pictures or bill.usage != Usage():
            self._add(who, Used(bill.pictures, bill.usage))
        until = self._clock() + LATE_S
        for layer in bill.open:
            if len(self._late) < MOST_LATE:
                self._late[layer] = who, until
        if self._used or self._late:
            self._plan()

    async def read(self, work: Callable[[Engine], Result]) -> Result:
        """Write the pending usage, then run `work` on the database in a thread. Raises NotReady."""
        await self.write()
        try:
            return await asyncio.to_thread(lambda: work(self._opened()))
        except FAULTS:
            logger.exception("usage cannot be read")
            raise NotReady("usage cannot be read at present", retry_after_s=5) from None

    async def write(self) -> None:
        """Write the pending usage. If that fails, retry later. Cancelling this does not stop the write."""
        self._collect()
        if self._used:
            used, self._used = self._used, {}
            writing = asyncio.create_task(self._write_down(used))
            self._under_way.add(writing)
            writing.add_done_callback(self._under_way.discard)
        try:
            if self._under_way:
                await asyncio.shield(asyncio.gather(*self._under_way))
        finally:
            if self._used or self._late:
                self._plan()

    async def _write_down(self, used: Mapping[Who, Used]) -> None:
        try:
            await asyncio.to_thread(self._write, used)
            self._rest_s = WRITE_EVERY_S
        except Exception as error:
            for who, each in used.items():
                self._add(who, each)
            self._rest_s = min(LONGEST_REST_S, 2 * self._rest_s)
            self._plan()
            if not isinstance(error, FAULTS):
                raise
            logger.warning("usage could not be saved and will be tried again: %s", type(error).__name__)

    def _collect(self) -> None:
        """Add what replicas have reported of layers without a response. Give up after LATE_S."""
        if not self._late:
            return
        seen = set(self._seen)
        for name, tenant, request_id, path, device_s, steps in self._unanswered():
            who, _ = self._late.get((request_id, path), (None, 0.0))
            if who is not None and who[0] == tenant and name not in seen:
                self._seen.append(name)
                self._add(who, Used(0, Usage(device_s, steps)))
        now = self._clock()
        self._late = {layer: late for layer, late in self._late.items() if late[1] > now}

    def _add(self, who: Who, used: Used) -> None:
        self._used[who] = self._used.get(who, Used()) + used

    def _write(self, used: Mapping[Who, Used]) -> None:
        with self._opened().begin() as connection:
            usage_store.add(connection, used)

    def _opened(self) -> Engine:
        if self._engine is None:
            self._engine = self._open_engine()
        return self._engine

    def _plan(self) -> None:
        """Schedule the next write, unless one is scheduled."""
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer[0] is not loop:
            self._timer = loop, loop.call_later(self._rest_s, self._begin_to_write)

    def _begin_to_write(self) -> None:
        self._timer = None
        writing = asyncio.create_task(self.write())
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
