"""Run the model's thread, a step at a time.

Admit the most urgent jobs, step them together, finish those with no steps left, and deliver the events.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deployments.diffusion.engine.device_time import DeviceTime
from deployments.diffusion.engine.job_table import JobTable, OpenPaintings
from deployments.diffusion.engine.retry_policy import FAILED, Retries, RetryPolicy
from deployments.diffusion.engine.watchdog import Watchdog
from deployments.diffusion.engine.work_item import News, Outbox, Progress, WorkItem
from deployments.diffusion.painter import AnyPainter, forward_rows, preview_steps
from deployments.errors import GenerationFailed, OutOfMemory
from deployments.failures import Failure, failure_of
from deployments.messages import LayerJob, Pixels

log = logging.getLogger(__name__)

AT_ONCE = 2
"""The most pictures begun and the most decoded in one step, so that others wait little more than a step."""
DOUBTS = 3
"""Failures in a row after which the model itself is tested."""


class StepLoop:
    """Paint on one thread.

    `flaw` returns what is wrong with a picture, or None. `placeholder` paints the fallback picture.

    `load` loads the model if it is not loaded yet. `prove` tests the model by painting the warm-up picture.
    Neither raises: both return the failure, or None. `make_room` frees device memory that no picture needs,
    and returns whether there was any.
    """

    def __init__(
        self,
        painter: AnyPainter,
        job_table: JobTable,
        retry_policy: RetryPolicy,
        watchdog: Watchdog,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        load: Callable[[], Failure | None],
        prove: Callable[[], Failure | None],
        make_room: Callable[[], bool] = lambda: False,
    ) -> None:
        self._painter = painter
        self._job_table = job_table
        self._watchdog = watchdog
        self._flaw = flaw
        self._load = load
        self._prove = prove
        self.device_time = DeviceTime()
        self._retries = Retries(painter, job_table, retry_policy, watchdog, placeholder, make_room, self._end)
        self._finished: list[WorkItem] = []
        self._open = OpenPaintings()
        self._outbox = Outbox()

    def run(self) -> None:
        """Step until there is no work left."""
        while not self._job_table.rest():
            self.run_step()
        self._close_unwanted()  # Paintings whose work item was removed after its last step.

    def run_step(self) -> None:
        """Run one step. Raises nothing: an error goes to the callers of the work that failed.

        This includes SystemExit and CancelledError: on this thread only a model can have raised them.
        """
        try:
            unloaded = None if self._painter.loaded else self._load()
            if unloaded is not None:
                self._fail_all(unloaded)
                return
            chosen = self._job_table.choose()
            self._report_places(chosen)
            work_items = self._admit(chosen)
            if work_items:
                self._step(work_items)
                self._outbox.send()
            self._finish()
            if self._retries.in_a_row >= DOUBTS:
                self._retries.in_a_row = 0
                broken = self._prove()
                if broken is not None:
                    self._fail_all(broken)
        except BaseException as error:  # The error belongs to no single request, so fail them all.
            log.error("an iteration of the step loop failed", exc_info=error)
            self._fail_all(failure_of(error, GenerationFailed, FAILED))
        self._outbox.send()
        self._close_unwanted()

    def abandon(self, failure: Failure) -> None:
        """Fail every waiting and later caller: nothing is painted here any more."""
        self._outbox.put(self._job_table.close(failure), failure)
        self._outbox.send()

    def _fail_all(self, failure: Failure) -> None:
        for item in self._job_table.work_items():
            self._end(item, failure)
        self._outbox.send()

    def _close_unwanted(self) -> None:
        """Free the device memory of paintings that were cancelled, failed, retried or finished."""
        self._open.close_all_but(item.painting for item in self._job_table.work_items())

    def _report_places(self, chosen: Sequence[WorkItem]) -> None:
        """Send the queue positions before the step, which may be a long one."""
        for listeners, place in self._job_table.places(chosen):
            self._outbox.put(listeners, place)
        self._outbox.send()

    def _admit(self, chosen: Sequence[WorkItem]) -> list[WorkItem]:
        """Begin the new ones among the chosen items. Return the chosen items that can be stepped."""
        for item in [item for item in chosen if item.painting is None][:AT_ONCE]:
            item.begun_at = time.perf_counter()
            try:
                with self._act([item]):
                    painting = self._painter.begin(item.request)
            except OutOfMemory as error:
                self._retries.after_out_of_memory(item, error)
            except BaseException as error:
                self._retries.after_error(item, error)
            else:
                painting.preview_steps = preview_steps(item.previews, painting.steps)
                item.painting, item.encoded_at = painting, time.perf_counter()
                self._open.add(painting)
        return [item for item in chosen if item.painting is not None]

    def _step(self, work_items: Sequence[WorkItem]) -> None:
        """Run one step of these items together.

        If it fails, try smaller batches, down to the one picture that makes it fail.
        """
        key = work_items[0].key
        paintings = [item.painting for item in work_items if item.painting is not None]
        forwards = forward_rows(paintings)
        rows = max(forwards)
        began = time.perf_counter()
        try:
            expected_s = self._job_table.scheduler.cost_model.step_s(key, forwards)
            with self._act(work_items, expected_s):
                self._painter.step(paintings)
        except OutOfMemory as error:
            if len(work_items) == 1:
                self._retries.after_out_of_memory(work_items[0], error)
                return
            # Nothing has changed, so they are chosen again: fewer at once, unless memory could be freed.
            if self._retries.made_room():
                return
            self._retries.free()
            log.warning(
                "out of memory with %d rows: at most %d from now on",
                rows,
                self._job_table.lower_cap(key, rows),
            )
        except BaseException as error:
            if len(work_items) == 1:
                self._retries.after_error(work_items[0], error)
                return
            middle = len(work_items) // 2
            self._step(work_items[:middle])
            self._step(work_items[middle:])
        else:
            self._job_table.observe(key, forwards, time.perf_counter() - began)
            for item in work_items:
                self._after_step(item, rows)

    def _after_step(self, item: WorkItem, batch_rows: int) -> None:
        painting = item.painting
        if painting is None or not self._job_table.wants(item):
            return
        if isinstance(painting.fault, OutOfMemory):
            self._retries.after_out_of_memory(item, painting.fault)
        elif painting.fault is not None:
            self._retries.after_error(item, painting.fault)
        else:
            preview, painting.preview = painting.preview, None
            self._outbox.put(item.listeners, Progress(painting.done, painting.steps, preview, batch_rows))
            if self._job_table.stepped(item):
                item.denoised_at = time.perf_counter()
                self._finished.append(item)

    def _finish(self) -> None:
        self._finished = [item for item in self._finished if self._job_table.wants(item)]
        if self._finished:
            key = self._finished[0].key
            # Decoded alone, a picture comes out the same whatever its peers are.
            most = AT_ONCE if self._painter.fixed_rows is None else 1
            together = [item for item in self._finished if item.key == key][:most]
            self._finished = [item for item in self._finished if item not in together]
            self._decode(together)

    def _decode(self, work_items: Sequence[WorkItem]) -> None:
        try:
            with self._act(work_items):
                pictures = self._painter.decode([item.painting for item in work_items])
        except BaseException as error:
            if len(work_items) > 1:
                if not self._retries.made_room():
                    self._retries.free()
                for item in work_items:
                    self._decode([item])
            elif isinstance(error, OutOfMemory):
                self._retries.after_out_of_memory(work_items[0], error)
            else:
                self._retries.after_error(work_items[0], error)
            return
        for item, pixels in zip(work_items, pictures, strict=True):
            try:
                self._judge(item, pixels)
            except BaseException as error:
                self._retries.after_error(item, error)

    def _judge(self, item: WorkItem, pixels: Pixels) -> None:
        request, degraded = item.request, item.degraded
        start = None if request.start is None else request.start.at(request.width_px, request.height_px)
        reason = self._flaw(pixels)
        self._retries.in_a_row = 0
        if reason is not None and start is not None and start.pixels is not None:
            # A picture painted from a dark one is dark, which is not the model's fault.
            reason = None if self._flaw(start.pixels) == reason else reason
        if reason is None:
            if start is not None:
                # Only after the check, which judges what the model painted and not what the mask keeps.
                pixels = start.pasted_into(pixels)
            made_by = self._painter.model, self._painter.backend
            self._end(item, item.result(pixels, request.seed, *made_by, degraded))
        else:
            self._retries.after_flaw(item, reason)

    def _end(self, item: WorkItem, news: News) -> None:
        self._outbox.put(self._job_table.end(item, news), news)
        item.painting = None

    @contextmanager
    def _act(self, work_items: Sequence[WorkItem], expected_s: float = 0.0) -> Iterator[None]:
        """Charge the block's time to the callers of these items, and report the block to the watchdog."""
        self._watchdog.begin_act(time.monotonic(), expected_s)
        try:
            with self.device_time.charge(work_items):
                yield
        finally:
            self._watchdog.end_act()
