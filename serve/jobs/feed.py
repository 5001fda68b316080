"""Report to all open event streams how their jobs change: one database query for all of them.

A scene that ends leaves the waiting and the running ones for good, so a job whose counts of those two stay as
they were has nothing new to report. Only a job whose counts changed is read, once for all of its streams.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from .open_work import OpenJob
from .states import JobState

LEAST_REST = 20
"""The pause after a query is at least this many times as long as the query took."""


@dataclass(eq=False)
class Followed:
    """One job that streams follow: its latest state, or the fault that ended it."""

    owner: str
    state: JobState
    readers: int = 0
    fault: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def after(self, seen: JobState) -> JobState:
        """Return the next state that is not the one that was `seen`. Raises what reading it raised."""
        while self.state is seen:
            if self.fault is not None:
                raise self.fault
            await self.changed.wait()
        return self.state

    def tell(self, state: JobState | None, fault: Exception | None = None) -> None:
        """Wake every reader."""
        self.state, self.fault = state or self.state, fault
        self.changed.set()
        self.changed = asyncio.Event()


class JobFeed:
    """Polls as long as a stream reads. `look` finds the open jobs of owners, `load` reads one job whole."""

    def __init__(
        self,
        look: Callable[[Collection[str]], Awaitable[Mapping[str, OpenJob]]],
        load: Callable[[str, str], Awaitable[JobState]],
        poll_s: float,
    ) -> None:
        self._look = look
        self._load = load
        self._poll_s = poll_s
        self._followed: dict[str, Followed] = {}
        self._asking: asyncio.Task[None] | None = None

    @contextmanager
    def following(self, first: JobState) -> Iterator[Followed]:
        """Follow a job of which `first` was just read."""
        followed = self._followed.setdefault(first.id, Followed(first.owner, first))
        if _told(followed.state) != _told(first):
            followed.tell(first)
        followed.readers += 1
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._ask())
        try:
            yield followed
        finally:
            followed.readers -= 1
            if not followed.readers and self._followed.get(first.id) is followed:
                del self._followed[first.id]
            if not self._followed and self._asking is not None:
                self._asking.cancel()
                self._asking = None

    async def _ask(self) -> None:
        took_s = 0.0
        while True:
            await asyncio.sleep(max(self._poll_s, LEAST_REST * took_s))
            began = time.monotonic()
            try:
                there = await self._look({followed.owner for followed in self._followed.values()})
            except Exception as fault:
                for followed in list(self._followed.values()):
                    self._end(followed, fault)
                continue
            took_s = time.monotonic() - began
            for followed in list(self._followed.values()):
                await self._compare(followed, there)

    async def _compare(self, followed: Followed, there: Mapping[str, OpenJob]) -> None:
        known, now = followed.state, there.get(followed.state.id)
        counts = (now.queued, now.running) if now else (0, 0)
        if counts != (known.counts.get("queued", 0), known.counts.get("running", 0)):
            try:
                followed.tell(await self._load(followed.owner, known.id))
            except Exception as fault:
                self._end(followed, fault)
        elif now is not None:
            state = replace(known, ahead=_ahead(now, there) if now.queued else known.ahead, held=now.held)
            if state != known:
                followed.tell(state)

    def _end(self, followed: Followed, fault: Exception) -> None:
        """End the streams of a job with a fault.

        A stream that follows the job from now on starts afresh.
        """
        self._followed.pop(followed.state.id, None)
        followed.tell(None, fault)


def _told(job: JobState) -> tuple[dict[str, int], int, bool]:
    return job.counts, job.ahead, job.held


def _ahead(job: OpenJob, there: Mapping[str, OpenJob]) -> int:
    """Count the open scenes of the owner's earlier jobs, which come first (serve/jobs/leases.py)."""
    return sum(
        other.queued + other.running
        for other in there.values()
        if other.owner == job.owner and other.created_at < job.created_at
    )
