"""The engine of a generator replica: takes jobs on the event loop, paints them on the one thread that owns the model.

A job becomes a stream of StepEvents that ends in a LayerResult. A picture that fails its check is painted again
from a derived seed; one that the device has no room for is reduced, if its fallback allows; and what is not as
asked is named in `degraded`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.painter import Painted, Painter, PaintRequest
from deployments.errors import DeadlineExceeded, GenerationFailed, NotReady, OutOfMemory, ScenewrightError
from deployments.messages import LayerJob, LayerResult, LayerTimings, Pixels, Readiness, StepEvent

SEED_STRIDE = 1_000_003
"""Between the seeds of successive attempts: far from the neighbours that people choose by hand."""


class Cancelled(Exception):
    """Raised between two steps of a job that nobody waits for any more."""


def _retrieve(painting: asyncio.Future[LayerResult]) -> None:
    """An abandoned job's exception has no reader; without this asyncio logs it as a fault."""
    if not painting.cancelled():
        painting.exception()


@dataclass(frozen=True)
class Attempt:
    """How a job is to be painted this time."""

    request: PaintRequest
    degraded: tuple[str, ...] = ()


class Engine:
    """`flaw` says what is wrong with a picture, or None; `placeholder` paints the declared stand-in for a job."""

    def __init__(
        self,
        painter: Painter,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        config: GenerationConfig,
        unload_after_idle_s: float | None = None,
    ) -> None:
        self._painter = painter
        self._flaw = flaw
        self._placeholder = placeholder
        self._config = config
        self._unload_after_idle_s = unload_after_idle_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="painter")
        self._idle: asyncio.TimerHandle | None = None
        self._fault: NotReady | None = NotReady("the model has not been loaded yet", retry_after_s=5)

    def start(self) -> None:
        """Load the model and paint a warm-up picture. A failure is kept, and told by `readiness` and `submit`."""
        try:
            self._thread.submit(self._warm_up).result()
            self._fault = None
        except NotReady as error:
            self._fault = error
        except ScenewrightError as error:
            self._fault = NotReady(f"the warm-up picture failed: {error.message}", retry_after_s=30)

    def _warm_up(self) -> None:
        self._painter.load()
        width, height = self._painter.native_size
        request = PaintRequest("warm-up", "", self._config.warm_up_steps, 7.5, 0, width, height)
        self._painter.paint(request, lambda step, steps: None)

    def readiness(self) -> Readiness:
        reason = self._fault.message if self._fault else ""
        return Readiness(self._fault is None, reason, self._painter.model, self._painter.backend)

    async def submit(self, job: LayerJob, prompt: str, negative_prompt: str) -> AsyncIterator[StepEvent | LayerResult]:
        """Paint a job. Closing the iterator, or cancelling the task that reads it, stops it at its next step."""
        if self._fault:
            raise self._fault
        if self._idle:
            self._idle.cancel()
        events: asyncio.Queue[StepEvent] = asyncio.Queue()
        loop, abandoned, queued_at = asyncio.get_running_loop(), threading.Event(), time.perf_counter()

        def on_step(step: int, steps: int) -> None:
            if abandoned.is_set():
                raise Cancelled
            if time.time() > job.deadline_at:
                raise DeadlineExceeded("the deadline passed while this layer was being painted")
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
        painting = loop.run_in_executor(self._thread, self._paint, job, request, on_step, queued_at)
        painting.add_done_callback(_retrieve)
        try:
            while not painting.done():
                waiting = asyncio.ensure_future(events.get())
                await asyncio.wait({painting, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if waiting.done():
                    yield waiting.result()
                else:
                    waiting.cancel()
            while not events.empty():
                yield events.get_nowait()
            yield painting.result()
        finally:
            abandoned.set()
            painting.cancel()
            if self._unload_after_idle_s is not None:
                self._idle = loop.call_later(self._unload_after_idle_s, self._thread.submit, self._painter.unload)

    def _paint(
        self, job: LayerJob, request: PaintRequest, on_step: Callable[[int, int], None], queued_at: float
    ) -> LayerResult:
        """On the model's thread: attempts until a picture passes its check, then the ladder of the fallback."""
        on_step(0, job.num_inference_steps)
        begun = time.perf_counter()
        self._painter.load()
        attempt, reason = Attempt(request), ""
        for number in range(self._config.max_attempts):
            try:
                painted = self._painter.paint(attempt.request, on_step)
            except OutOfMemory:
                reduced = self._reduced(attempt)
                if job.fallback == "none" or reduced == attempt:
                    if job.fallback == "placeholder":
                        break
                    raise
                attempt = reduced
                continue
            reason = self._flaw(painted.pixels) or ""
            if not reason:
                return self._result(job, attempt, painted, begun - queued_at)
            reseeded = replace(attempt.request, seed=job.seed + (number + 1) * SEED_STRIDE)
            attempt = replace(attempt, request=reseeded)
        if job.fallback != "placeholder":
            raise GenerationFailed(f"no attempt gave a usable picture: the last one was {reason}", job.kind)
        stand_in = Painted(self._placeholder(job), 0.0, 0.0, 0.0)
        return self._result(job, Attempt(request, ("placeholder",)), stand_in, begun - queued_at)

    def _reduced(self, attempt: Attempt) -> Attempt:
        """Fewer steps, less guidance and about half the pixels; never below the smallest size served."""
        asked, factor = attempt.request, self._painter.latent_factor

        def smaller(side_px: int) -> int:
            return max(64, round(side_px * 0.7 / factor) * factor)

        request = replace(
            asked,
            num_inference_steps=min(asked.num_inference_steps, self._config.reduced_steps),
            guidance_scale=min(asked.guidance_scale, self._config.reduced_guidance_scale),
            width_px=smaller(asked.width_px),
            height_px=smaller(asked.height_px),
        )
        if request == asked:
            return attempt
        return Attempt(request, ("reduced",))

    def _result(self, job: LayerJob, attempt: Attempt, painted: Painted, queue_s: float) -> LayerResult:
        reseeded = ("reseeded",) if attempt.request.seed != job.seed and "placeholder" not in attempt.degraded else ()
        return LayerResult(
            job.kind,
            painted.pixels,
            attempt.request.seed,
            self._painter.model,
            self._painter.backend,
            LayerTimings(1e3 * queue_s, painted.encode_ms, painted.denoise_ms, painted.decode_ms),
            degraded=attempt.degraded + reseeded,
            warnings=painted.warnings,
        )
