"""Track every layer that waits or runs, under one lock.

Event loops add and remove layers, the model's thread paints them. Equal jobs are one work item, and a layer
painted before is not painted again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from deployments.diffusion.engine.result_cache import LayerKey, ResultCache
from deployments.diffusion.engine.work_item import (
    Listener,
    News,
    Place,
    WorkItem,
)
from deployments.diffusion.painter import PaintRequest, preview_steps
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.scheduler import Scheduler
from deployments.errors import TOO_LONG, TOO_MUCH_AHEAD, DeadlineExceeded, Overloaded
from deployments.failures import Failure
from deployments.messages import LayerJob, LayerResult, LayerTimings


class JobTable:
    """The jobs of one engine.

    `wake` is called, under the lock, when work comes while the model's thread rests. It may raise.

    `first_forwards` gives the rows of each forward of a first step. `clock` is that of the deadlines
    of the jobs that are put up.
    """

    def __init__(
        self,
        scheduler: Scheduler[WorkItem],
        results: ResultCache,
        wake: Callable[[], object],
        first_forwards: Callable[[PaintRequest], Sequence[int]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.scheduler = scheduler
        self._results = results
        self._wake = wake
        self._first_forwards = first_forwards
        self._clock = clock
        self._resting = True
        self._closed: Failure | None = None
        self._lock = threading.Lock()
        self._works: dict[WorkItem, None] = {}
        self._by_key: dict[LayerKey, WorkItem] = {}

    def enter(
        self, job: LayerJob, request: PaintRequest, fingerprint: str, loop: asyncio.AbstractEventLoop
    ) -> LayerResult | tuple[WorkItem, Listener]:
        """Return the layer, where an equal one is kept; else the work that it becomes, or joins.

        Raises Overloaded or DeadlineExceeded where it could not be done by its deadline, and what `close` was
        given once that was called.
        """
        key = None if job.no_store else (fingerprint, job.picture_key)
        with self._lock:
            if self._closed is not None:
                raise self._closed.error()
            if key is not None:
                if kept := self._results.get(key):
                    return replace(kept, cached=True, timings=LayerTimings(0.0, 0.0, 0.0, 0.0))
                if work := self._by_key.get(key):
                    return work, _join(work, job, loop)
            now, listener = self._clock(), Listener(loop, followed=job.followed)
            work = self._work_item(job, request, now)
            self._refuse(work, now)
            work.result_key = key
            work.listeners.append(listener)
            if self._resting:
                self._wake()  # Where it raises no thread can paint, so nothing is queued.
                self._resting = False
            self._put(work)
        return work, listener

    def leave(self, work: WorkItem, listener: Listener) -> None:
        """Remove a listener; drop the work item that nobody waits for any more."""
        with self._lock:
            work.listeners.remove(listener)
            if not work.listeners:
                self._drop(work)

    def wants(self, work: WorkItem) -> bool:
        return work in self._works

    def choose(self) -> list[WorkItem]:
        """Return the work items of the next step, the most urgent first."""
        with self._lock:
            return self.scheduler.choose(self._clock())

    def places(self, chosen: Sequence[WorkItem]) -> list[tuple[list[Listener], Place]]:
        """Return the queue positions that changed since `chosen` was picked, each with its listeners.

        Empty if nobody waits.
        """
        if len(chosen) == len(self.scheduler) and all(work.painting is not None for work in chosen):
            return []
        with self._lock:
            moved = [work for work in self._works if _has_moved(work)]
            for work in moved:
                work.place = Place(work.ahead)
            return [(_followers(work), work.place) for work in moved if work.place]

    def rest(self) -> bool:
        """Return whether the model's thread may rest: the next work will wake it."""
        with self._lock:
            self._resting = not self._works
            return self._resting

    def stepped(self, work: WorkItem) -> bool:
        """Update the steps left of a work item. Return whether it has none."""
        painting = work.painting
        if painting is None:
            return False
        with self._lock:
            work.steps_left = painting.steps - painting.done
            work.rows, work.calls, work.forward_key = painting.rows, painting.calls, painting.forward_key
            if work.steps_left == 0:
                self.scheduler.remove(work)
            return work.steps_left == 0

    def observe(self, key: BatchKey, forwards: Sequence[int], seconds: float) -> None:
        """Record a step that succeeded, by the rows of each of its forwards."""
        with self._lock:
            self.scheduler.observe(key, forwards, seconds)

    def lower_cap(self, key: BatchKey, failed_rows: int) -> int:
        """Lower the row limit. Return the rows that a forward may hold from now on."""
        with self._lock:
            self.scheduler.lower_cap(key, failed_rows)
            return self.scheduler.cap_rows(key)

    def try_again(self, work: WorkItem, request: PaintRequest) -> None:
        """Queue another attempt, in the place that the work item had, and as urgent as it was."""
        with self._lock:
            if work in self._works:
                self._drop(work)
                work.request, work.painting, work.ahead = request, None, 0
                work.attempt += 1
                self._plan(work)
                self._put(work)

    def end(self, work: WorkItem, news: News) -> list[Listener]:
        """Remove a work item.

        Return the listeners to its one terminal state; none if it was removed before.
        """
        with self._lock:
            if work not in self._works:
                return []
            self._drop(work)
            if work.result_key is not None and isinstance(news, LayerResult):
                self._results.put(work.result_key, news)
            return list(work.listeners)

    def close(self, failure: Failure) -> list[Listener]:
        """Remove everything, and refuse what comes from now on. Return all listeners that waited."""
        with self._lock:
            self._closed = failure
            listeners = [listener for work in self._works for listener in work.listeners]
            for work in list(self._works):
                self._drop(work)
            return listeners

    def adopt(self, scheduler: Scheduler[WorkItem]) -> None:
        """Schedule with this scheduler from now on, with all that waits."""
        with self._lock:
            for work in self._works:
                scheduler.add(work)
            self.scheduler = scheduler

    def works(self) -> list[WorkItem]:
        with self._lock:
            return list(self._works)

    def _work_item(self, job: LayerJob, request: PaintRequest, now: float) -> WorkItem:
        work = WorkItem(
            BatchKey(request.width_px, request.height_px),
            rows=1,
            steps_left=request.num_inference_steps,
            arrived_at=now,
            deadline_at=job.deadline_at,
            priority=job.priority,
            job=job,
            request=request,
            previews=job.previews,
            queued_at=time.perf_counter(),
        )
        self._plan(work)
        return work

    def _plan(self, work: WorkItem) -> None:
        """Set what the scheduler counts with before the first step of an attempt."""
        forwards = self._first_forwards(work.request)
        work.key = BatchKey(work.request.width_px, work.request.height_px)
        work.steps_left = work.request.num_inference_steps
        work.rows, work.calls, work.forward_key = max(forwards), len(forwards), None

    def _refuse(self, work: WorkItem, now: float) -> None:
        refusal = self.scheduler.refusal(work, now)
        if refusal is None:
            return
        if refusal.reason == "too late":
            raise DeadlineExceeded(TOO_LONG)
        raise Overloaded(TOO_MUCH_AHEAD, retry_after_s=max(1.0, refusal.retry_after_s))

    def _put(self, work: WorkItem) -> None:
        self._works[work] = None
        self.scheduler.add(work)
        if work.result_key is not None:
            self._by_key[work.result_key] = work

    def _drop(self, work: WorkItem) -> None:
        """Remove a work item. Idempotent."""
        self._works.pop(work, None)
        self.scheduler.remove(work)
        if work.result_key is not None and self._by_key.get(work.result_key) is work:
            del self._by_key[work.result_key]


def _join(work: WorkItem, job: LayerJob, loop: asyncio.AbstractEventLoop) -> Listener:
    """Add a listener; raise the item's urgency and previews to the most that any caller wants."""
    listener = Listener(loop, joined=True, followed=job.followed)
    work.listeners.append(listener)
    if job.followed and work.place is not None and work.painting is None:
        listener.hear(work.place)
    work.deadline_at = min(work.deadline_at, job.deadline_at)
    if job.priority == "interactive":
        work.priority = "interactive"
    if job.previews > work.previews:
        work.previews = job.previews
        if work.painting is not None:
            work.painting.preview_steps |= preview_steps(job.previews, work.painting.steps)
    return listener


def _has_moved(work: WorkItem) -> bool:
    told = 0 if work.place is None else work.place.ahead
    return work.painting is None and work.ahead != told


def _followers(work: WorkItem) -> list[Listener]:
    return [listener for listener in work.listeners if listener.followed]
