"""The engine of a generator replica: jobs come in on the event loop, and one thread, which owns the model,
paints them all at once, a step at a time (deployments/diffusion/turns.py).

A job becomes a stream that ends in a LayerResult: of QueueEvents while it waits, where they are wanted, then
of StepEvents.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import replace

from deployments.diffusion.attempts import Attempts
from deployments.diffusion.batch_key import BatchKey
from deployments.diffusion.board import Board
from deployments.diffusion.calibration import Calibration, calibrate
from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.health import Health, Unhealthy
from deployments.diffusion.pace import Pace
from deployments.diffusion.painter import AnyPainter, PaintRequest
from deployments.diffusion.result_cache import ResultCache
from deployments.diffusion.scheduler import Scheduler
from deployments.diffusion.step_events import step_event
from deployments.diffusion.turns import Turns
from deployments.diffusion.work import Listener, News, Place, Progress
from deployments.errors import DeadlineExceeded, NotReady, ScenewrightError
from deployments.messages import LayerEvent, LayerJob, LayerResult, Pixels, QueueEvent, Readiness

log = logging.getLogger(__name__)


class Engine:
    """`flaw` says what is wrong with a picture, or None; `placeholder` paints the declared stand-in."""

    def __init__(
        self,
        painter: AnyPainter,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        config: GenerationConfig,
        unload_after_idle_s: float | None = None,
        lazy_load: bool = False,
    ) -> None:
        self._painter = painter
        self._config = config
        self._unload_after_idle_s = unload_after_idle_s
        self._lazy_load = lazy_load
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._health = Health(config.wedged_after_s)
        results = ResultCache(config.result_cache_bytes)
        self._board = Board(self._scheduler(Calibration(1, {1: 0.0})), results, self._wake)
        attempts = Attempts(config, painter.latent_factor)
        self._turns = Turns(painter, self._board, attempts, self._health, flaw, placeholder)
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

    def readiness(self) -> Readiness:
        reason = self._fault.message if self._fault else ""
        return Readiness(self._fault is None, reason, self._painter.model, self._painter.backend)

    @property
    def loaded(self) -> bool:
        return self._painter.loaded

    @property
    def least_megapixel_step_s(self) -> float:
        """Zero before the model is loaded."""
        return self._board.scheduler.pace.least_megapixel_step_s

    def check_health(self) -> None:
        """Raises Unhealthy where only a new replica can help."""
        fault = self._health.fault(time.monotonic())
        if fault is not None:
            raise Unhealthy(fault)

    async def submit(
        self, job: LayerJob, prompt: str, negative_prompt: str
    ) -> AsyncGenerator[LayerEvent, None]:
        """Paint a job. Closing the iterator, or cancelling the task that reads it, stops it at its next step.

        The steps of a picture that is tried again are told again, from the first. Raises Overloaded or
        DeadlineExceeded at once where it could not be done in time.
        """
        if self._fault:
            raise NotReady(*self._fault.args)  # A fresh one: each raise hangs its traceback on the exception.
        left_s = job.deadline_at - time.time()
        if left_s < 0:
            raise DeadlineExceeded("the deadline passed before this layer was painted")
        # From here on by the clock that nobody sets: a jump of the other one must not end what is under way.
        job = replace(job, deadline_at=time.monotonic() + left_s)
        request = PaintRequest(
            prompt,
            negative_prompt,
            job.num_inference_steps,
            job.guidance_scale,
            job.seed,
            job.width_px,
            job.height_px,
            job.guidance_interval,
        )
        loop = asyncio.get_running_loop()
        entered = self._board.enter(job, request, self._painter.fingerprint, loop)
        if isinstance(entered, LayerResult):
            yield entered
            return
        work, listener = entered
        self._busy()
        try:
            while True:
                news = await _next_news(job, listener)
                if isinstance(news, Place):
                    yield QueueEvent(job.kind, news.ahead)
                elif isinstance(news, Progress):
                    yield await step_event(job, listener, news)
                elif isinstance(news, LayerResult):
                    yield replace(news, cached=listener.joined)
                    return
                else:
                    raise copy(news) if listener.joined else news
        finally:
            self._board.leave(work, listener)
            self._done(loop)

    def _wake(self) -> None:
        self._thread.submit(self._turns.take)

    def _busy(self) -> None:
        self._jobs += 1
        if self._idle:
            self._idle.cancel()

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs -= 1
        if not self._jobs and self._unload_after_idle_s is not None:
            self._idle = loop.call_later(self._unload_after_idle_s, self._thread.submit, self._painter.unload)

    def _warm_up(self) -> None:
        """On the model's thread."""
        self._painter.load()
        self._board.scheduler = self._scheduler(self._calibration())
        width, height = self._painter.native_size
        request = PaintRequest("warm-up", "", self._config.warm_up_steps, 7.5, 0, width, height)
        painting = self._painter.begin(request)
        while painting.done < painting.steps:
            self._painter.step([painting])
            if painting.fault is not None:
                raise painting.fault
        self._painter.decode([painting])
        if self._lazy_load:
            self._painter.unload()

    def _calibration(self) -> Calibration:
        fixed = self._painter.fixed_rows
        if fixed is not None:
            return Calibration(fixed, {fixed: self._painter.measure(fixed)})
        found = calibrate(self._painter.measure, self._config.max_rows, self._config.calibration_s)
        times = ", ".join(f"{rows}: {1e3 * seconds:.1f}" for rows, seconds in found.seconds.items())
        log.info("forwards of up to %d rows pay (ms by rows: %s)", found.cap_rows, times)
        return found

    def _scheduler(self, calibration: Calibration) -> Scheduler:
        pace = Pace(BatchKey(*self._painter.native_size), calibration.seconds)
        return Scheduler(pace, calibration.cap_rows, self._config.stretch, self._config.max_jobs)


async def _next_news(job: LayerJob, listener: Listener) -> News:
    try:
        # Not `wait_for`: before Python 3.12 it loses a cancellation that comes together with the news.
        async with asyncio.timeout(max(0.0, job.deadline_at - time.monotonic())):
            return await listener.news.get()
    except TimeoutError:
        raise DeadlineExceeded("the deadline passed before this layer was painted") from None
