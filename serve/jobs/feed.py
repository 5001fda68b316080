"""Report changes of jobs to all open event streams, with one database query for all of them.

A scene that ends is neither queued nor running any more, so a job has nothing new to report while those two
counts stay the same. Only a job whose counts changed is read, once for all of its streams.
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
class FeedEntry:
    """One job that streams follow: its latest state, or the fault that ended it."""

    owner: str
    state: JobState
    readers: int = 0
    fault: Exception | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def after(self, seen: JobState) -> JobState:
        """Wait for a state other than `seen`, and return it. Raises what reading it raised."""
        while self.state is seen:
            if self.fault is not None:
                raise self.fault
            await self.changed.wait()
        return self.state

    def update(self, state: JobState | None, fault: Exception | None = None) -> None:
        """Store the new state or fault, and wake every reader."""
        self.state, self.fault = state or self.state, fault
        self.changed.set()
        self.changed = asyncio.Event()


class JobFeed:
    """Poll while any stream reads. `look` finds the open jobs of owners, `load` reads one whole job."""

    def __init__(
        self,
        look: Callable[[Collection[str]], Awaitable[Mapping[str, OpenJob]]],
        load: Callable[[str, str], Awaitable[JobState]],
        poll_s: float,
    ) -> None:
        self._look = look
        self._load = load
        self._poll_s = poll_s
        self._entries: dict[str, FeedEntry] = {}
        self._polling: asyncio.Task[None] | None = None

    @contextmanager
    def following(self, first: JobState) -> Iterator[FeedEntry]:
        """Follow a job whose state was just read as `first`."""
        entry = self._entries.setdefault(first.id, FeedEntry(first.owner, first))
        if _reported(entry.state) != _reported(first):
            entry.update(first)
        entry.readers += 1
        if self._polling is None or self._polling.done():
            self._polling = asyncio.ensure_future(self._poll())
        try:
            yield entry
        finally:
            entry.readers -= 1
            if not entry.readers and self._entries.get(first.id) is entry:
                del self._entries[first.id]
            if not self._entries and self._polling is not None:
                self._polling.cancel()
                self._polling = None

    async def _poll(self) -> None:
        took_s = 0.0
        while True:
            await asyncio.sleep(max(self._poll_s, LEAST_REST * took_s))
            began = time.monotonic()
            try:
                there = await self._look({entry.owner for entry in self._entries.values()})
            except Exception as fault:
                for entry in list(self._entries.values()):
                    self._end(entry, fault)
                continue
            took_s = time.monotonic() - began
            for entry in list(self._entries.values()):
                await self._compare(entry, there)

    async def _compare(self, entry: FeedEntry, there: Mapping[str, OpenJob]) -> None:
        known, now = entry.state, there.get(entry.state.id)
        counts = (now.queued, now.running) if now else (0, 0)
        if counts != (known.counts.get("queued", 0), known.counts.get("running", 0)):
            try:
                entry.update(await self._load(entry.owner, known.id))
            except Exception as fault:
                self._end(entry, fault)
        elif now is not None:
            state = replace(known, ahead=_ahead(now, there) if now.queued else known.ahead, held=now.held)
            if state != known:
                entry.update(state)

    def _end(self, entry: FeedEntry, fault: Exception) -> None:
        """End the streams of a job with a fault.

        A stream that follows the job from now on starts afresh.
        """
        self._entries.pop(entry.state.id, None)
        entry.update(None, fault)


def _reported(job: JobState) -> tuple[dict[str, int], int, bool]:
    return job.counts, job.ahead, job.held


def _ahead(job: OpenJob, there: Mapping[str, OpenJob]) -> int:
    """Count the open scenes of the owner's earlier jobs, which come first (serve/jobs/leases.py)."""
    return sum(
        other.queued + other.running
        for other in there.values()
        if other.owner == job.owner and other.created_at < job.created_at
    )
