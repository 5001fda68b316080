"""Admit work by the memory it will take and by tenants' turns, and run it in threads.

Turns follow start-time fair queueing (Goyal, Vin and Cheng 1996): each tenant's work is laid end to end on
one virtual time line, and the piece that starts first is next. One tenant never takes every slot. Large work
leaves a slot and an eighth of the memory to small work, so that another tenant's scene is merged beside the
largest upload instead of behind it. Freed memory is returned to the system, since the C library would keep it
for later.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ParamSpec, TypeVar

from deployments.errors import Overloaded
from deployments.failures import in_thread

SMALL_SHARE = 8
"""Work is large if it takes more than the memory divided by this number."""
PATIENCE = 8
"""How many times work may be passed over for its size before memory is kept free for it."""
SHARE = 4
"""The most pieces that a tenant may have waiting, per free place (Choudhury and Hahne 1998)."""
FULL = "too much of this tenant's work is waiting to be merged; try again shortly"
RETRY_AFTER_S = 2.0
WORTH_BYTES = 64 << 20
"""The least memory worth returning: smaller amounts come and go all the time."""
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class FairQueue:
    """Track how much of each tenant's work was started. An idle tenant earns no credit."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._virtual = 0.0

    def ordered(self, tenants: Iterable[str]) -> list[str]:
        """Return the tenants in the order of their turns. Ties keep the given order."""
        return sorted(dict.fromkeys(tenants), key=self._begin)

    def start(self, tenant: str, cost: float) -> None:
        """Count a piece of work as started."""
        self._virtual = max(self._virtual, self._begin(tenant))
        self._ends[tenant] = self._begin(tenant) + cost
        self._ends = {name: end for name, end in self._ends.items() if end > self._virtual}

    def _begin(self, tenant: str) -> float:
        return max(self._virtual, self._ends.get(tenant, 0.0))


@dataclass(frozen=True)
class QueuedWork:
    """A piece of work.

    `cost` is in megapixels. `later` work comes after the tenant's other work, and takes half of the slots at
    most.
    """

    tenant: str
    cost: float
    memory_bytes: int = 0
    later: bool = False


@dataclass(eq=False)
class _Waiting:
    work: QueuedWork
    granted: asyncio.Future[None]
    passed_over: int = 0


@dataclass
class _Running:
    """Work of one kind that is under way: all work, large work or later work."""

    bytes: int = 0
    count: Counter[str] = field(default_factory=Counter)

    def add(self, work: QueuedWork, sign: int) -> None:
        self.bytes += sign * work.memory_bytes
        self.count[work.tenant] += sign
        if not self.count[work.tenant]:
            del self.count[work.tenant]


class WorkQueue:
    """Queue work on one event loop. Up to `slots` pieces run at once in `memory_bytes`; `places` may wait."""

    def __init__(self, slots: int, memory_bytes: int, places: int | None = None) -> None:
        self._slots = slots
        self._memory_bytes = memory_bytes
        self._places = places
        self._order = FairQueue()
        self._waiting: list[_Waiting] = []
        self._all, self._large, self._later = _Running(), _Running(), _Running()

    @asynccontextmanager
    async def slot(self, work: QueuedWork) -> AsyncIterator[None]:
        """Wait for a turn, and hold it for the block. Raises Overloaded."""
        release = await self.acquire(work)
        try:
            yield
        finally:
            release()

    async def acquire(self, work: QueuedWork) -> Callable[[], None]:
        """Wait for a turn. Return a function that ends it. Raises Overloaded."""
        self._check_places(work)
        mine = _Waiting(work, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._grant()
        try:
            await mine.granted
        except asyncio.CancelledError:
            if mine.granted.cancelled():
                self._waiting = [each for each in self._waiting if each is not mine]
            else:  # Granted and cancelled at once.
                self._give_back(work)
            raise
        return lambda: self._give_back(work)

    def _check_places(self, work: QueuedWork) -> None:
        if self._places is None:
            return
        mine = sum(each.work.tenant == work.tenant for each in self._waiting)
        if mine >= SHARE * (self._places - len(self._waiting)):
            raise Overloaded(FULL, retry_after_s=RETRY_AFTER_S)

    def _give_back(self, work: QueuedWork) -> None:
        self._count(work, -1)
        self._grant()

    def _grant(self) -> None:
        while (chosen := self._next()) is not None:
            self._waiting.remove(chosen)
            self._order.start(chosen.work.tenant, chosen.work.cost)
            self._count(chosen.work, 1)
            chosen.granted.set_result(None)

    def _next(self) -> _Waiting | None:
        """Return the first piece that fits, in fair order, and count those that it passes over."""
        self._waiting = [each for each in self._waiting if not each.granted.done()]
        passed: list[_Waiting] = []
        for tenant in self._order.ordered(each.work.tenant for each in self._waiting):
            own = [each for each in self._waiting if each.work.tenant == tenant]
            for each in sorted(own, key=lambda one: one.work.later):
                if self._fits(each.work):
                    for one in passed:
                        one.passed_over += 1
                    return each
                passed.append(each)
        return None

    def _fits(self, work: QueuedWork) -> bool:
        everything, large = self._all, self._large
        if work.later and self._later.count[work.tenant] >= max(1, self._slots // 2):
            return False
        if everything.count.total() >= self._slots or (
            everything.count[work.tenant] >= max(1, self._slots - 1)
        ):
            return False
        if everything.count and everything.bytes + work.memory_bytes > self._memory_bytes:
            return False
        if self._is_large(work):
            return not large.count or (
                large.count.total() < self._slots - 1
                and large.count[work.tenant] < max(1, self._slots // 2)
                and large.bytes + work.memory_bytes <= self._memory_bytes - self._for_small
            )
        if any(each.passed_over >= PATIENCE for each in self._waiting):
            small = everything.bytes - large.bytes
            return not small or small + work.memory_bytes <= self._for_small
        return True

    @property
    def _for_small(self) -> int:
        return self._memory_bytes // SMALL_SHARE

    def _is_large(self, work: QueuedWork) -> bool:
        return work.memory_bytes > self._for_small

    def _count(self, work: QueuedWork, sign: int) -> None:
        self._all.add(work, sign)
        if self._is_large(work):
            self._large.add(work, sign)
        if work.later:
            self._later.add(work, sign)


def return_freed_memory(used_bytes: int) -> None:
    """Return freed heap memory to the system if enough was used. Only glibc can do this."""
    trim = _trim()
    if used_bytes >= WORTH_BYTES and trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None


class QueuedThreads(WorkQueue):
    """A queue whose work runs in threads."""

    async def run(
        self,
        queued: QueuedWork,
        work: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run `work` in a thread when its turn comes. Raises only ScenewrightError.

        A thread cannot be stopped: if its caller leaves, its turn ends only when the thread does.
        """
        release = await self.acquire(queued)

        def done(working: asyncio.Future[Result]) -> None:
            if not working.cancelled():
                working.exception()  # Retrieve it: the caller may have left.
            return_freed_memory(queued.memory_bytes)
            release()

        working = asyncio.ensure_future(in_thread(work, *args, **kwargs))
        working.add_done_callback(done)
        return await asyncio.shield(working)
