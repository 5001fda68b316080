"""Retry a layer until it is usable, and decide what becomes of one that never is.

A picture that fails its check is painted again: without cached guidance if it had that, else from a derived
seed. One that the device has no room for is reduced, if the job's fallback allows. Other errors that the
model raises are not the picture's fault, and are not retried.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from deployments.diffusion.engine.job_table import JobTable
from deployments.diffusion.engine.watchdog import Watchdog, device_is_lost
from deployments.diffusion.engine.work_item import News, WorkItem
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import AnyPainter, PaintRequest
from deployments.errors import GenerationFailed, InvalidRequest, NotReady, OutOfMemory, ScenewrightError
from deployments.failures import Failure, failure_of
from deployments.messages import LayerJob, LayerResult, Pixels

log = logging.getLogger(__name__)

FAILED = "the model failed while painting this layer; see the replica's log"

SEED_STRIDE = 1_000_003
"""Distance between the seeds of successive attempts, far from the neighbours that people choose by hand."""
SEEDS = 2**53
"""Derived seeds stay below this, as those of requests do, so that a reported seed can be requested again."""
SMALLEST_PX = 64
SMALLER = 0.7
"""The factor on each side of a reduced picture, which leaves about half the pixels."""


@dataclass(frozen=True)
class RetryPolicy:
    """Return the request for the next attempt after a failed one, or None if there is none."""

    config: GenerationConfig
    latent_factor: int

    def as_it_is(self, work: WorkItem) -> PaintRequest | None:
        return None if work.attempt >= self.config.max_attempts else work.request

    def after_flaw(self, work: WorkItem) -> PaintRequest | None:
        if work.attempt >= self.config.max_attempts:
            return None
        if work.request.guidance_cache > 1:  # With large steps this may be the cause.
            return replace(work.request, guidance_cache=1)
        seed = (work.job.seed + work.attempt * SEED_STRIDE) % SEEDS
        return replace(work.request, seed=seed)

    def after_out_of_memory(self, work: WorkItem) -> PaintRequest | None:
        reduced = self._reduced(work.request)
        spent = work.attempt >= self.config.max_attempts
        if spent or work.job.fallback == "none" or reduced == work.request:
            return None
        return reduced

    def _reduced(self, request: PaintRequest) -> PaintRequest:
        """Take fewer steps, less guidance and about half the pixels, but at least SMALLEST_PX a side.

        The pictures that it reads get half the pixels too, since an editing model holds them beside its own.
        """

        def smaller(side_px: int) -> int:
            return max(SMALLEST_PX, round(side_px * SMALLER / self.latent_factor) * self.latent_factor)

        reads = request.references is not None or request.start is not None
        return replace(
            request,
            num_inference_steps=min(request.num_inference_steps, self.config.reduced_steps),
            guidance_scale=min(request.guidance_scale, self.config.reduced_guidance_scale),
            width_px=smaller(request.width_px),
            height_px=smaller(request.height_px),
            read_scale=request.read_scale * (SMALLER if reads else 1),
        )


class Retries:
    """Handle each picture that failed, on the model's thread: try it again, paint its fallback, or fail it.

    `placeholder` paints the fallback picture. `make_room` frees device memory that no picture needs, and
    returns whether there was any. `end` gives a work item its one terminal state. `in_a_row` counts the
    model's failures since it last painted a picture.
    """

    def __init__(
        self,
        painter: AnyPainter,
        job_table: JobTable,
        policy: RetryPolicy,
        watchdog: Watchdog,
        placeholder: Callable[[LayerJob], Pixels],
        make_room: Callable[[], bool],
        end: Callable[[WorkItem, News], None],
    ) -> None:
        self._painter = painter
        self._job_table = job_table
        self._policy = policy
        self._watchdog = watchdog
        self._placeholder = placeholder
        self._make_room = make_room
        self._end = end
        self.in_a_row = 0

    def after_flaw(self, item: WorkItem, reason: str) -> None:
        """Handle an unusable picture. `reason` is what is wrong with it."""
        message = f"no attempt gave a usable picture: the last one was {reason}"
        again = self._policy.after_flaw(item)
        self._try_again(item, again, Failure(GenerationFailed, message, item.job.kind))

    def after_out_of_memory(self, item: WorkItem, error: OutOfMemory) -> None:
        """Handle a lack of memory for this picture alone.

        Memory that no picture needs is freed first. If there was any, the picture is retried unchanged.
        """
        same = self._policy.as_it_is(item)
        if same is not None and self.made_room():
            self._job_table.try_again(item, same)
            return
        self.free()
        if not item.is_reduced:
            self._watchdog.ran_out_of_memory(time.monotonic())
        again = self._policy.after_out_of_memory(item)
        self._try_again(
            item,
            again,
            failure_of(error, OutOfMemory, "the device does not have enough memory for this picture"),
        )

    def after_error(self, item: WorkItem, error: BaseException) -> None:
        """Report an error that the model raised for this picture to its callers alone."""
        if isinstance(error, ScenewrightError):
            self._try_again(item, None, failure_of(error, GenerationFailed, FAILED))
            return
        log.error(
            "the model failed while painting the layer of request %s", item.job.request_id, exc_info=error
        )
        self.in_a_row += 1
        if device_is_lost(error):
            self._watchdog.lose("this process can no longer use the device")
        self._try_again(item, None, failure_of(error, GenerationFailed, FAILED))

    def _try_again(self, item: WorkItem, again: PaintRequest | None, failure: Failure) -> None:
        if again is not None:
            self._job_table.try_again(item, again)
        elif item.job.fallback == "placeholder" and not issubclass(failure.kind, NotReady | InvalidRequest):
            self._end(item, self._fallback_picture(item) or failure)
        else:
            self._end(item, failure)

    def _fallback_picture(self, item: WorkItem) -> LayerResult | None:
        """Paint the declared fallback picture. Return None if even that fails."""
        item.painting = None
        try:
            made_by = self._painter.model, self._painter.backend
            return item.result(self._placeholder(item.job), item.job.seed, *made_by, ("placeholder",))
        except BaseException as error:
            log.error("the placeholder for request %s failed", item.job.request_id, exc_info=error)
            return None

    def made_room(self) -> bool:
        """Free device memory that no picture needs. Return whether there was any."""
        try:
            return self._make_room()
        except BaseException as error:
            log.error("unused device memory could not be freed", exc_info=error)
            return False

    def free(self) -> None:
        """Free device memory. A failure to do so must not fail other requests."""
        try:
            self._painter.free()
        except BaseException as error:
            log.error("device memory could not be freed", exc_info=error)
