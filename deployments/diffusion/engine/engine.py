"""The engine of a generator replica.

Jobs arrive on the event loop. One thread owns the model and paints them together, one step at a time
(deployments/diffusion/engine/step_loop.py).

Each job becomes a stream of QueueEvents while it waits, if wanted, then StepEvents, then a LayerResult.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from deployments.diffusion.engine.calibration import Calibration
from deployments.diffusion.engine.device_time import DeviceTime
from deployments.diffusion.engine.job_table import JobTable
from deployments.diffusion.engine.model_lifecycle import ModelLifecycle
from deployments.diffusion.engine.result_cache import ResultCache
from deployments.diffusion.engine.retry_policy import RetryPolicy
from deployments.diffusion.engine.step_loop import StepLoop
from deployments.diffusion.engine.watchdog import LoadRetries, Unhealthy, Watchdog
from deployments.diffusion.engine.work_item import Place, Progress, WorkItem, step_event
from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.lora_weights import PictureLora
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import AnyPainter, PaintRequest
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel
from deployments.diffusion.scheduling.scheduler import Scheduler
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import DEADLINE_PASSED, DeadlineExceeded, NotReady
from deployments.failures import Failure
from deployments.messages import LayerEvent, LayerJob, LayerResult, Pixels, QueueEvent, Readiness

log = logging.getLogger(__name__)


class Engine:
    """Paint jobs.

    `flaw` returns what is wrong with a picture, or None. `placeholder` paints the fallback picture.
    `make_room` frees device memory that no picture needs, and returns whether there was any. Any thread may
    call it.
    """

    def __init__(
        self,
        painter: AnyPainter,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        config: GenerationConfig,
        unload_after_idle_s: float | None = None,
        lazy_load: bool = False,
        make_room: Callable[[], bool] = lambda: False,
        calibrations: Path | None = None,
    ) -> None:
        """Create the engine. `calibrations` is the folder that keeps calibrations between starts, if any."""
        self._painter = painter
        self._config = config
        self._unload_after_idle_s = unload_after_idle_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._watchdog = Watchdog(config.wedged_after_s)
        results = ResultCache(config.result_cache_bytes)
        self._job_table = JobTable(
            self._scheduler(Calibration(1, {1: 0.0})), results, self._wake, painter.first_forwards
        )
        self._load_retries = LoadRetries()
        self._model = ModelLifecycle(
            painter, config, self._watchdog, self._load_retries, self._adopt, lazy_load, calibrations
        )
        retry_policy = RetryPolicy(config, painter.latent_factor)
        self._step_loop = StepLoop(
            painter,
            self._job_table,
            retry_policy,
            self._watchdog,
            flaw,
            placeholder,
            self._model.load,
            self._model.prove,
            make_room,
        )
        self._jobs = 0
        self._idle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Load the model and paint a warm-up picture.

        If that fails, `readiness` and `submit` report why, and it is retried: see `check_health`.
        """
        self._thread.submit(self._model.start).result()

    def stop(self) -> None:
        """Stop the background compilation."""
        self._painter.stop_compiling()

    def readiness(self) -> Readiness:
        self._retry_if_due()
        unready = self._why_not()
        reason = unready.message if unready else ""
        return Readiness(unready is None, reason, self._painter.model, self._painter.backend)

    def require_ready(self) -> None:
        """Raise NotReady, with the reason, unless this replica is ready."""
        self._retry_if_due()
        if unready := self._why_not():
            raise unready.error()

    @property
    def device_time(self) -> DeviceTime:
        """Return the record of which callers the device's time was charged to."""
        return self._step_loop.device_time

    @property
    def compile_states(self) -> Mapping[str, int]:
        """Return how many background-compiled forwards are in each state."""
        return self._painter.compile_states

    @property
    def loaded(self) -> bool:
        return self._painter.loaded

    @property
    def least_megapixel_step_s(self) -> float:
        """Return the least seconds of a megapixel-step; zero before the model is loaded."""
        return self._job_table.scheduler.cost_model.least_megapixel_step_s

    def check_health(self) -> None:
        """Check the replica's health.

        Raises Unhealthy if only a new replica can help. Retries a model that failed to load, if that is due.
        """
        self._retry_if_due()
        fault = self._watchdog.fault(time.monotonic())
        if fault is not None:
            raise Unhealthy(fault)

    async def submit(
        self,
        job: LayerJob,
        prompt: str,
        negative_prompt: str,
        start: StartPicture | None = None,
        references: References | None = None,
        pose: PosePicture | None = None,
        loras: tuple[PictureLora, ...] = (),
    ) -> AsyncGenerator[LayerEvent, None]:
        """Paint a job. Closing the iterator, or cancelling the task that reads it, stops it at its next step.

        The steps of a picture that is retried are reported again, from the first. Raises Overloaded or
        DeadlineExceeded at once if the job could not be done in time.
        """
        self.require_ready()
        if job.deadline_at < time.monotonic():
            raise DeadlineExceeded(DEADLINE_PASSED)
        request = PaintRequest(
            prompt,
            negative_prompt or None,  # For None XL reads zeros, which differ from an encoded empty prompt.
            job.num_inference_steps,
            job.guidance_scale,
            job.seed,
            job.width_px,
            job.height_px,
            job.guidance_interval,
            start,
            references,
            pose,
            loras,
            guidance_cache=job.guidance_cache,
        )
        loop = asyncio.get_running_loop()
        entered = self._job_table.enter(job, request, self._painter.fingerprint, loop)
        if isinstance(entered, LayerResult):
            yield entered
            return
        item, listener = entered
        answered = False
        self._busy()
        try:
            while True:
                news = await listener.next_news(job.deadline_at)
                if isinstance(news, Place):
                    yield QueueEvent(job.kind, news.ahead)
                elif isinstance(news, Progress):
                    yield await step_event(job, listener, news)
                elif isinstance(news, LayerResult):
                    answered = True
                    yield replace(news, cached=listener.joined, usage=listener.usage)
                    return
                else:
                    raise news.error()
        finally:
            self._job_table.leave(item, listener)
            if not answered:
                self.device_time.end_unanswered(job, listener)
            self._done(loop)

    def _wake(self) -> None:
        """Wake the model's thread. Raises NotReady if it takes no more work."""
        try:
            self._thread.submit(self._run)
        except RuntimeError as error:
            self._watchdog.lose("the model's thread has ended")
            raise NotReady("this replica is being replaced", retry_after_s=5) from error

    def _run(self) -> None:
        """Run the step loop on the model's thread.

        Report whatever ends it to the watchdog and to every waiting caller.
        """
        try:
            self._step_loop.run()
        except BaseException as error:
            self._watchdog.lose("the step loop has ended")
            self._step_loop.abandon(Failure(NotReady, "this replica is being replaced", None, 5, error))
            # Last, since an error whose `bool` raises cannot be logged.
            log.critical("the step loop has ended", exc_info=error)

    def _busy(self) -> None:
        self._jobs += 1
        if self._idle:
            self._idle.cancel()

    def _done(self, loop: asyncio.AbstractEventLoop) -> None:
        self._jobs -= 1
        if not self._jobs and self._unload_after_idle_s is not None:
            self._idle = loop.call_later(self._unload_after_idle_s, self._thread.submit, self._model.unload)

    def _why_not(self) -> Failure | None:
        """Return why this replica should get no work now, or None."""
        fault = self._watchdog.fault(time.monotonic())
        return self._model.unready if fault is None else Failure(NotReady, fault, None, 5)

    def _retry_if_due(self) -> None:
        if self._load_retries.begin_if_due(time.monotonic()):
            with suppress(RuntimeError):  # If the thread takes no more work, the next job finds out.
                self._thread.submit(self._model.start)

    def _adopt(self, calibration: Calibration) -> None:
        self._job_table.adopt(self._scheduler(calibration))

    def _scheduler(self, calibration: Calibration) -> Scheduler[WorkItem]:
        cost_model = CostModel(BatchKey(*self._painter.native_size), calibration.seconds)
        return Scheduler(cost_model, calibration.cap_rows, self._config.stretch, self._config.max_jobs)
