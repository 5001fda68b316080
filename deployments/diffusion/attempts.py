"""One layer, tried until it is usable.

A picture that fails its check is painted again from a derived seed; one that the device has no room for is
reduced, if the job's fallback allows; at the last there is an error, or a placeholder. What is not as asked
is named in `degraded`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.painter import OnStep, Painted, Painter, PaintRequest
from deployments.errors import GenerationFailed, OutOfMemory, ScenewrightError
from deployments.messages import LayerJob, LayerResult, LayerTimings, Pixels, Recipe

SEED_STRIDE = 1_000_003
"""Between the seeds of successive attempts: far from the neighbours that people choose by hand."""
SEEDS = 2**53
"""Derived seeds stay below it, like those of requests: a seed that we report can be asked for again."""
SMALLEST_PX = 64
PLACEHOLDER = ("placeholder",)


@dataclass(frozen=True)
class Attempt:
    """How a job is to be painted this time."""

    request: PaintRequest
    degraded: tuple[str, ...] = ()


class Attempts:
    """`flaw` says what is wrong with a picture, or None; `placeholder` paints the declared stand-in."""

    def __init__(
        self,
        painter: Painter,
        flaw: Callable[[Pixels], str | None],
        placeholder: Callable[[LayerJob], Pixels],
        config: GenerationConfig,
    ) -> None:
        self._painter = painter
        self._flaw = flaw
        self._placeholder = placeholder
        self._config = config

    def paint(
        self,
        job: LayerJob,
        request: PaintRequest,
        check: Callable[[], None],
        on_step: OnStep,
        queue_ms: float,
    ) -> LayerResult:
        """`check` raises between two attempts, and `on_step` in them, where the job is no longer wanted."""
        attempt = Attempt(request)
        failure: ScenewrightError = GenerationFailed("no attempt was made", job.kind)
        for number in range(self._config.max_attempts):
            check()
            try:
                painted = self._painter.paint(attempt.request, on_step)
            except OutOfMemory as error:
                failure, reduced = OutOfMemory(*error.args), self._reduced(attempt)
                if job.fallback == "none" or reduced == attempt:
                    break
                attempt = reduced
                continue
            reason = self._flaw(painted.pixels)
            if reason is None:
                return self._result(job, attempt, painted, queue_ms)
            message = f"no attempt gave a usable picture: the last one was {reason}"
            failure = GenerationFailed(message, job.kind)
            reseeded = replace(attempt.request, seed=(job.seed + (number + 1) * SEED_STRIDE) % SEEDS)
            attempt = replace(attempt, request=reseeded)
        if job.fallback != "placeholder":
            raise failure
        stand_in = Painted(self._placeholder(job), 0.0, 0.0, 0.0)
        return self._result(job, Attempt(request, PLACEHOLDER), stand_in, queue_ms)

    def _reduced(self, attempt: Attempt) -> Attempt:
        """Fewer steps, less guidance and about half the pixels; never below the smallest size served."""
        asked, factor = attempt.request, self._painter.latent_factor

        def smaller(side_px: int) -> int:
            return max(SMALLEST_PX, round(side_px * 0.7 / factor) * factor)

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

    def _result(self, job: LayerJob, attempt: Attempt, painted: Painted, queue_ms: float) -> LayerResult:
        reseeded = ("reseeded",) if attempt.request.seed != job.seed else ()
        return LayerResult(
            job.kind,
            painted.pixels,
            attempt.request.seed,
            self._painter.model,
            self._painter.backend,
            LayerTimings(queue_ms, painted.encode_ms, painted.denoise_ms, painted.decode_ms),
            degraded=attempt.degraded + reseeded,
            warnings=painted.warnings,
            recipe=_recipe(attempt.request, painted) if attempt.degraded != PLACEHOLDER else None,
        )


def _recipe(request: PaintRequest, painted: Painted) -> Recipe:
    return Recipe(
        request.prompt,
        request.negative_prompt,
        request.num_inference_steps,
        request.guidance_scale,
        painted.sampler,
    )
