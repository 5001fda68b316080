"""Track every layer that waits or runs, under one lock.

Event loops add and remove layers, and the model's thread paints them. Equal jobs share one work item, and a
layer that is in the result cache is not painted again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from deployments.diffusion.engine.result_cache import LayerKey, ResultCache
from deployments.diffusion.engine.work_item import Listener, News, Place, WorkItem
from deployments.diffusion.painter import Painting, PaintRequest
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.scheduler import Scheduler
from deployments.errors import TOO_LONG, TOO_MUCH_AHEAD, DeadlineExceeded, Overloaded
from deployments.failures import Failure
from deployments.messages import LayerJob, LayerResult, LayerTimings

log = logging.getLogger(__name__)


class JobTable:
    """The jobs of one engine.

    `wake` is called, under the lock, when work arrives while the model's thread rests. It may raise.

    `first_forwards` returns the rows of each forward of a first step. `clock` is the clock of the jobs'
    deadlines.
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
        self._items: dict[WorkItem, None] = {}
        self._by_key: dict[LayerKey, WorkItem] = {}

    def enter(
        self, job: LayerJob, request: PaintRequest, fingerprint: str, loop: asyncio.AbstractEventLoop
    ) -> LayerResult | tuple[WorkItem, Listener]:
        """Return an equal layer from the cache, or else the work item that the job starts or joins.

        Raises Overloaded or DeadlineExceeded if the job could not be done by its deadline. After `close`,
        raises the failure that was given to it.
        """
        key = None if job.no_store else (fingerprint, job.picture_key)
        with self._lock:
            if self._closed is not None:
                raise self._closed.error()
            if key is not None:
                if kept := self._results.get(key):
                    return replace(kept, cached=True, timings=LayerTimings(0.0, 0.0, 0.0, 0.0))
                if item := self._by_key.get(key):
                    return item, item.join(job, loop)
            now = self._clock()
            listener = Listener(loop, queue_events=job.queue_events, tenant=job.tenant)
            item = self._work_item(job, request, now)
            self._refuse(item, now)
            item.result_key = key
            item.listeners.append(listener)
            if self._resting:
                self._wake()  # If it raises, no thread can paint, so nothing is queued.
                self._resting = False
            self._put(item)
        return item, listener

    def leave(self, item: WorkItem, listener: Listener) -> None:
        """Remove a listener, and drop the work item if no other caller waits for it."""
        with self._lock:
            item.last_left = listener  # First, so that a forward that begins now is charged to a caller.
            item.listeners.remove(listener)
            if not item.listeners:
                self._drop(item)

    def wants(self, item: WorkItem) -> bool:
        return item in self._items

    def choose(self) -> list[WorkItem]:
        """Return the work items of the next step, the most urgent first."""
        with self._lock:
            return self.scheduler.choose(self._clock())

    def places(self, chosen: Sequence[WorkItem]) -> list[tuple[list[Listener], Place]]:
        """Return the queue positions that changed since `chosen` was picked, each with its listeners.

        Empty if no job waits.
        """
        if len(chosen) == len(self.scheduler) and all(item.painting is not None for item in chosen):
            return []
        with self._lock:
            moved = [item for item in self._items if item.has_moved]
            for item in moved:
                item.place = Place(item.ahead)
            return [(item.followers, item.place) for item in moved if item.place]

    def rest(self) -> bool:
        """Return whether the model's thread may rest. If it may, the next job wakes it."""
        with self._lock:
            self._resting = not self._items
            return self._resting

    def stepped(self, item: WorkItem) -> bool:
        """Update the steps that a work item has left. Return whether it has none."""
        painting = item.painting
        if painting is None:
            return False
        with self._lock:
            item.steps_left = painting.steps - painting.done
            item.rows, item.calls, item.forward_key = painting.rows, painting.calls, painting.forward_key
            if item.steps_left == 0:
                self.scheduler.remove(item)
            return item.steps_left == 0

    def observe(self, key: BatchKey, forwards: Sequence[int], seconds: float) -> None:
        """Record the seconds of a successful step, given the rows of each of its forwards."""
        with self._lock:
            self.scheduler.observe(key, forwards, seconds)

    def lower_cap(self, key: BatchKey, failed_rows: int) -> int:
        """Lower the row limit. Return the rows that a forward may hold from now on."""
        with self._lock:
            self.scheduler.lower_cap(key, failed_rows)
            return self.scheduler.cap_rows(key)

    def try_again(self, item: WorkItem, request: PaintRequest) -> None:
        """Queue another attempt at a work item, which stays as urgent as it was."""
        with self._lock:
            if item in self._items:
                self._drop(item)
                item.request, item.painting, item.ahead = request, None, 0
                item.attempt += 1
                self._plan(item)
                self._put(item)

    def end(self, item: WorkItem, news: News) -> list[Listener]:
        """Remove a work item.

        Return the listeners that get its one terminal state; none if it was already removed.
        """
        with self._lock:
            if item not in self._items:
                return []
            self._drop(item)
            if item.result_key is not None and isinstance(news, LayerResult):
                self._results.put(item.result_key, news)
            return list(item.listeners)

    def close(self, failure: Failure) -> list[Listener]:
        """Remove everything, and refuse later jobs with `failure`. Return all listeners that waited."""
        with self._lock:
            self._closed = failure
            listeners = [listener for item in self._items for listener in item.listeners]
            for item in list(self._items):
                self._drop(item)
            return listeners

    def adopt(self, scheduler: Scheduler[WorkItem]) -> None:
        """Move all work items to this scheduler, and use it from now on."""
        with self._lock:
            for item in self._items:
                scheduler.add(item)
            self.scheduler = scheduler

    def work_items(self) -> list[WorkItem]:
        with self._lock:
            return list(self._items)

    def _work_item(self, job: LayerJob, request: PaintRequest, now: float) -> WorkItem:
        item = WorkItem(
            BatchKey(request.width_px, request.height_px),
            rows=1,
            steps_left=request.steps,
            arrived_at=now,
            deadline_at=job.deadline_at,
            priority=job.priority,
            job=job,
            request=request,
            previews=job.previews,
            queued_at=time.perf_counter(),
        )
        self._plan(item)
        return item

    def _plan(self, item: WorkItem) -> None:
        """Set the values that the scheduler assumes before the first step of an attempt."""
        forwards = self._first_forwards(item.request)
        item.key = BatchKey(item.request.width_px, item.request.height_px)
        item.steps_left = item.request.steps
        item.rows, item.calls, item.forward_key = max(forwards), len(forwards), None

    def _refuse(self, item: WorkItem, now: float) -> None:
        refusal = self.scheduler.refusal(item, now)
        if refusal is None:
            return
        if refusal.reason == "too late":
            raise DeadlineExceeded(TOO_LONG)
        raise Overloaded(TOO_MUCH_AHEAD, retry_after_s=max(1.0, refusal.retry_after_s))

    def _put(self, item: WorkItem) -> None:
        self._items[item] = None
        self.scheduler.add(item)
        if item.result_key is not None:
            self._by_key[item.result_key] = item

    def _drop(self, item: WorkItem) -> None:
        """Remove a work item. Idempotent."""
        self._items.pop(item, None)
        self.scheduler.remove(item)
        if item.result_key is not None and self._by_key.get(item.result_key) is item:
            del self._by_key[item.result_key]


class OpenPaintings:
    """The paintings that may hold device memory."""

    def __init__(self) -> None:
        self._paintings: list[Painting] = []

    def add(self, painting: Painting) -> None:
        self._paintings.append(painting)

    def close_all_but(self, wanted: Iterable[Painting | None]) -> None:
        """Close and forget all paintings except `wanted`. Raises nothing."""
        kept = {id(painting) for painting in wanted}
        unwanted = [painting for painting in self._paintings if id(painting) not in kept]
        self._paintings = [painting for painting in self._paintings if id(painting) in kept]
        for painting in unwanted:
            try:
                painting.close()
            except BaseException as error:
                log.error("a painting could not be closed", exc_info=error)
