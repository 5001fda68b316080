"""Run the model's thread, a step at a time.

Admit the most urgent, step them together, finish those that have no steps left, deliver the events.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deployments.diffusion.engine.job_table import JobTable
from deployments.diffusion.engine.retry_policy import RetryPolicy
from deployments.diffusion.engine.watchdog import Watchdog, device_is_lost
from deployments.diffusion.engine.work_item import (
    News,
    Outbox,
    Progress,
    WorkItem,
)
from deployments.diffusion.painter import AnyPainter, Painting, PaintRequest, forward_rows, preview_steps
from deployments.errors import GenerationFailed, InvalidRequest, NotReady, OutOfMemory, ScenewrightError
from deployments.failures import Failure, failure_of
from deployments.messages import LayerJob, LayerResult, Pixels, Recipe

log = logging.getLogger(__name__)

AT_ONCE = 2
"""Pictures begun, and pictures decoded, in one step: the others must not wait longer than a step or so."""
DOUBTS = 3
"""Failures in a row after which the model itself is tested."""
FAILED = "the model failed while it painted this layer; the replica's log says why"


class StepLoop:
    """Paint on one thread.

    `flaw` names what is wrong with a picture, or None; `placeholder` paints the fallback picture.

    `load` loads the model where that is not done yet: it raises nothing, and gives the failure if there is
    one. `prove` paints a picture that is known to work, and gives the failure where it does not.
    """

    def __init__(
        self,
        painter: AnyPainter,
        board: JobTable,
        attempts: RetryPolicy,
        health: Watchdog,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        load: Callable[[], Failure | None],
        prove: Callable[[], Failure | None],
    ) -> None:
        self._painter = painter
        self._board = board
        self._attempts = attempts
        self._health = health
        self._flaw = flaw
        self._placeholder = placeholder
        self._load = load
        self._prove = prove
        self._failed_in_a_row = 0
        self._finished: list[WorkItem] = []
        self._open: list[Painting] = []
        self._outbox = Outbox()

    def take(self) -> None:
        """Step until there is no work left."""
        while not self._board.rest():
            self.take_one()
        self._close_unwanted()  # What was removed after its last step.

    def take_one(self) -> None:
        """Run one step. Raises nothing: an error goes to the callers of the work that failed.

        Not even SystemExit or CancelledError: on this thread they mean nothing but that a model raised them.
        """
        try:
            unloaded = self._load()
            if unloaded is not None:
                self._fail_all(unloaded)
                return
            chosen = self._board.choose()
            self._tell_places(chosen)
            works = self._admit(chosen)
            if works:
                self._step(works)
                self._outbox.send()
            self._finish()
            if self._failed_in_a_row >= DOUBTS:
                self._failed_in_a_row = 0
                broken = self._prove()
                if broken is not None:
                    self._fail_all(broken)
        except BaseException as error:  # The error belongs to no single request, so fail them all.
            log.error("a turn of the model's thread failed", exc_info=error)
            self._fail_all(failure_of(error, GenerationFailed, FAILED))
        self._outbox.send()
        self._close_unwanted()

    def abandon(self, failure: Failure) -> None:
        """Fail every waiting and later caller: nothing is painted here any more."""
        self._outbox.put(self._board.close(failure), failure)
        self._outbox.send()

    def _fail_all(self, failure: Failure) -> None:
        for work in self._board.works():
            self._end(work, failure)
        self._outbox.send()

    def _close_unwanted(self) -> None:
        """Free the device memory of paintings that were cancelled, failed, retried or finished."""
        wanted = {id(work.painting) for work in self._board.works()}
        unwanted = [painting for painting in self._open if id(painting) not in wanted]
        self._open = [painting for painting in self._open if id(painting) in wanted]
        for painting in unwanted:
            try:
                painting.close()
            except BaseException as error:
                log.error("a painting could not be closed", exc_info=error)

    def _tell_places(self, chosen: Sequence[WorkItem]) -> None:
        """Send the queue positions before the step, which may be a long one."""
        for listeners, place in self._board.places(chosen):
            self._outbox.put(listeners, place)
        self._outbox.send()

    def _admit(self, chosen: Sequence[WorkItem]) -> list[WorkItem]:
        """Begin the chosen that are new. Return those of the chosen that can be stepped."""
        for work in [work for work in chosen if work.painting is None][:AT_ONCE]:
            work.begun_at = time.perf_counter()
            try:
                with self._act():
                    painting = self._painter.begin(work.request)
            except OutOfMemory as error:
                self._no_room(work, error)
            except BaseException as error:
                self._fail(work, error)
            else:
                painting.preview_steps = preview_steps(work.previews, painting.steps)
                work.painting, work.encoded_at = painting, time.perf_counter()
                self._open.append(painting)
        return [work for work in chosen if work.painting is not None]

    def _step(self, works: Sequence[WorkItem]) -> None:
        """Run one forward.

        If it fails, try smaller batches, down to the one picture that makes it fail.
        """
        key, paintings = works[0].key, [work.painting for work in works if work.painting is not None]
        forwards = forward_rows(paintings)
        rows = max(forwards)
        began = time.perf_counter()
        try:
            with self._act(self._board.scheduler.pace.step_s(key, forwards)):
                self._painter.step(paintings)
        except OutOfMemory as error:
            if len(works) == 1:
                self._no_room(works[0], error)
                return
            # Nothing has changed: they are chosen again, fewer at once.
            self._free()
            log.warning("no room for %d rows: at most %d from now on", rows, self._board.lower_cap(key, rows))
        except BaseException as error:
            if len(works) == 1:
                self._fail(works[0], error)
                return
            middle = len(works) // 2
            self._step(works[:middle])
            self._step(works[middle:])
        else:
            self._board.observe(key, forwards, time.perf_counter() - began)
            for work in works:
                self._after_step(work, rows)

    def _after_step(self, work: WorkItem, batch_rows: int) -> None:
        painting = work.painting
        if painting is None or not self._board.wants(work):
            return
        if isinstance(painting.fault, OutOfMemory):
            self._no_room(work, painting.fault)
        elif painting.fault is not None:
            self._fail(work, painting.fault)
        else:
            preview, painting.preview = painting.preview, None
            self._outbox.put(work.listeners, Progress(painting.done, painting.steps, preview, batch_rows))
            if self._board.stepped(work):
                work.denoised_at = time.perf_counter()
                self._finished.append(work)

    def _finish(self) -> None:
        self._finished = [work for work in self._finished if self._board.wants(work)]
        if self._finished:
            key = self._finished[0].key
            # One alone is what decodes the same whatever the peers.
            most = AT_ONCE if self._painter.fixed_rows is None else 1
            together = [work for work in self._finished if work.key == key][:most]
            self._finished = [work for work in self._finished if work not in together]
            self._decode(together)

    def _decode(self, works: Sequence[WorkItem]) -> None:
        try:
            with self._act():
                pictures = self._painter.decode([work.painting for work in works])
        except BaseException as error:
            if len(works) > 1:
                self._free()
                for work in works:
                    self._decode([work])
            elif isinstance(error, OutOfMemory):
                self._no_room(works[0], error)
            else:
                self._fail(works[0], error)
            return
        for work, pixels in zip(works, pictures, strict=True):
            try:
                self._judge(work, pixels)
            except BaseException as error:
                self._fail(work, error)

    def _judge(self, work: WorkItem, pixels: Pixels) -> None:
        reason = self._flaw(pixels)
        self._failed_in_a_row = 0
        if reason is None:
            degraded = work.degraded
            self._end(work, self._result(work, pixels, work.request.seed, degraded))
            return
        message = f"no attempt gave a usable picture: the last one was {reason}"
        again = self._attempts.after_flaw(work)
        self._try_again(work, again, Failure(GenerationFailed, message, work.job.kind))

    def _no_room(self, work: WorkItem, error: OutOfMemory) -> None:
        """Handle a lack of memory for this picture alone."""
        self._free()
        if not work.is_reduced:
            self._health.ran_out_of_memory(time.monotonic())
        again = self._attempts.after_no_room(work)
        self._try_again(
            work, again, failure_of(error, OutOfMemory, "the device has no room for this picture")
        )

    def _fail(self, work: WorkItem, error: BaseException) -> None:
        """Report what the model raised for this picture to its callers alone."""
        if isinstance(error, ScenewrightError):
            self._try_again(work, None, failure_of(error, GenerationFailed, FAILED))
            return
        log.error("the model failed at the layer of request %s", work.job.request_id, exc_info=error)
        self._failed_in_a_row += 1
        if device_is_lost(error):
            self._health.lose("the device is lost to this process")
        self._try_again(work, None, failure_of(error, GenerationFailed, FAILED))

    def _try_again(self, work: WorkItem, again: PaintRequest | None, failure: Failure) -> None:
        if again is not None:
            self._board.try_again(work, again)
        elif work.job.fallback == "placeholder" and not issubclass(failure.kind, NotReady | InvalidRequest):
            self._end(work, self._stand_in(work) or failure)
        else:
            self._end(work, failure)

    def _stand_in(self, work: WorkItem) -> LayerResult | None:
        """Paint the declared fallback picture. Return None if even that fails."""
        work.painting = None
        try:
            return self._result(work, self._placeholder(work.job), work.job.seed, ("placeholder",))
        except BaseException as error:
            log.error("the placeholder for request %s failed", work.job.request_id, exc_info=error)
            return None

    def _free(self) -> None:
        """Free device memory. A failure to do so must not fail other requests."""
        try:
            self._painter.free()
        except BaseException as error:
            log.error("the device's memory could not be given back", exc_info=error)

    def _result(self, work: WorkItem, pixels: Pixels, seed: int, degraded: tuple[str, ...]) -> LayerResult:
        pixels.setflags(write=False)  # It may be handed to many.
        return LayerResult(
            work.job.kind,
            pixels,
            seed,
            self._painter.model,
            self._painter.backend,
            work.timings(time.perf_counter()),
            degraded,
            work.painting.warnings if work.painting is not None else (),
            _recipe(work.painting) if work.painting is not None else None,
        )

    def _end(self, work: WorkItem, news: News) -> None:
        self._outbox.put(self._board.end(work, news), news)
        work.painting = None

    @contextmanager
    def _act(self, expected_s: float = 0.0) -> Iterator[None]:
        """Send the heartbeat while the block runs."""
        self._health.begin_act(time.monotonic(), expected_s)
        try:
            yield
        finally:
            self._health.end_act()


def _recipe(painting: Painting) -> Recipe:
    asked = painting.request
    return Recipe(
        asked.prompt,
        asked.negative_prompt or "",
        asked.num_inference_steps,
        asked.guidance_scale,
        painting.sampler,
    )
