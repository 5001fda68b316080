"""The engine of a generator replica: jobs come in on the event loop, one thread owns the model and paints.

A job becomes a stream of StepEvents that ends in a LayerResult.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deployments.diffusion.attempts import Attempts
from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.painter import Painter, PaintRequest
from deployments.errors import DeadlineExceeded, NotReady, ScenewrightError
from deployments.messages import LayerJob, LayerResult, Pixels, Readiness, StepEvent

log = logging.getLogger(__name__)


class Cancelled(Exception):
    """Raised between two steps of a job that nobody waits for any more."""


def _retrieve(painting: asyncio.Future[LayerResult]) -> None:
    """An abandoned job's exception has no reader; without this asyncio logs it as a fault."""
    if not painting.cancelled():
        painting.exception()


def _check_in_time(job: LayerJob) -> None:
    if time.time() > job.deadline_at:
        raise DeadlineExceeded("the deadline passed before this layer was painted")


class Engine:
    """`flaw` says what is wrong with a picture, or None; `placeholder` paints the declared stand-in."""

    def __init__(
        self,
        painter: Painter,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        config: GenerationConfig,
        unload_after_idle_s: float | None = None,
        lazy_load: bool = False,
    ) -> None:
        self._painter = painter
        self._attempts = Attempts(painter, flaw, placeholder, config)
        self._warm_up_steps = config.warm_up_steps
        self._unload_after_idle_s = unload_after_idle_s
        self._lazy_load = lazy_load
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._jobs = 0
        self._idle: asyncio.TimerHandle | None = None
        self._fault: NotReady | None = NotReady("the model has not been loaded yet", retry_after_s=5)

    def start(self) -> None:
        """Load the model, paint a warm-up picture. A failure is kept: `readiness` and `submit` tell it."""
        try:
            self._thread.submit(self._warm_up).result()
            self._fault = None
        except NotReady as error:
            self._fault = error
        except ScenewrightError as error:
            self._fault = NotReady(f"the warm-up picture failed: {error.message}", retry_after_s=30)
        except Exception:
            log.exception("the warm-up picture failed")
            self._fault = NotReady("the warm-up picture failed; the replica's log says why", retry_after_s=30)

    def _warm_up(self) -> None:
        self._painter.load()
        width, height = self._painter.native_size
        request = PaintRequest("warm-up", "", self._warm_up_steps, 7.5, 0, width, height)
        self._painter.paint(request, lambda step, steps: None)
        if self._lazy_load:
            self._painter.unload()

    def readiness(self) -> Readiness:
        reason = self._fault.message if self._fault else ""
        return Readiness(self._fault is None, reason, self._painter.model, self._painter.backend)

    async def submit(
        self, job: LayerJob, prompt: str, negative_prompt: str
    ) -> AsyncGenerator[StepEvent | LayerResult, None]:
        """Paint a job. Closing the iterator, or cancelling the task that reads it, stops it at its next step.

        The steps of a picture that is tried again are told again, from the first.
        """
        if self._fault:
            raise NotReady(*self._fault.args)  # A fresh one: each raise hangs its traceback on the exception.
        _check_in_time(job)
        events: asyncio.Queue[StepEvent] = asyncio.Queue()
        loop, abandoned, queued_at = asyncio.get_running_loop(), threading.Event(), time.perf_counter()

        def check() -> None:
            if abandoned.is_set():
                raise Cancelled
            _check_in_time(job)

        def on_step(step: int, steps: int) -> None:
            check()
            loop.call_soon_threadsafe(events.put_nowait, StepEvent(job.kind, step, steps))

        request = PaintRequest(
            prompt,
            negative_prompt,
            job.num_inference_steps,
            job.guidance_scale,
            job.seed,
            job.width_px,
            job.height_px,
        )
        self._busy()
        painting = loop.run_in_executor(self._thread, self._paint, job, request, check, on_step, queued_at)
        painting.add_done_callback(_retrieve)
        waiting = asyncio.ensure_future(events.get())
        try:
            while not painting.done():
                left_s = max(0.0, job.deadline_at - time.time())
                either: set[asyncio.Future[Any]] = {painting, waiting}
                done, _ = await asyncio.wait(either, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
                if waiting in done:
                    yield waiting.result()
                    waiting = asyncio.ensure_future(events.get())
                elif not done:
                    _check_in_time(job)  # Still in the queue, or in a step that takes too long.
            if waiting.done():
                yield waiting.result()
            while not events.empty():
                yield events.get_nowait()
            yield painting.result()
        finally:
            abandoned.set()
            painting.cancel()
            waiting.cancel()
            self._done(loop)

    def _busy(self) -> None:
        self._jobs += 1
        if self._idle:
            self._idle.cancel()

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs -= 1
        if not self._jobs and self._unload_after_idle_s is not None:
            self._idle = loop.call_later(self._unload_after_idle_s, self._thread.submit, self._painter.unload)

    def _paint(
        self,
        job: LayerJob,
        request: PaintRequest,
        check: Callable[[], None],
        on_step: Callable[[int, int], None],
        queued_at: float,
    ) -> LayerResult:
        """On the model's thread."""
        check()
        self._painter.load()
        return self._attempts.paint(job, request, check, on_step, 1e3 * (time.perf_counter() - queued_at))
