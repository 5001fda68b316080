"""One layer, tried until it is usable: what to try after a picture that was not.

A picture that fails its check is painted again from a derived seed; one that the device has no room for is
reduced, if the job's fallback allows. `degraded` names what differs from the request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import PaintRequest
from deployments.messages import LayerJob

SEED_STRIDE = 1_000_003
"""Between the seeds of successive attempts: far from the neighbours that people choose by hand."""
SEEDS = 2**53
"""Derived seeds stay below it, like those of requests: a seed that we report can be requested again."""
SMALLEST_PX = 64


@dataclass(frozen=True)
class Attempt:
    """One attempt at a job: how to paint it this time; `number` counts from 1."""

    request: PaintRequest
    number: int = 1
    reduced: bool = False

    def degraded(self, job: LayerJob) -> tuple[str, ...]:
        reseeded = self.request.seed != job.seed
        return ("reduced",) * self.reduced + ("reseeded",) * reseeded


@dataclass(frozen=True)
class RetryPolicy:
    """The next attempt after one that failed, or None where there is none."""

    config: GenerationConfig
    latent_factor: int

    def after_flaw(self, job: LayerJob, attempt: Attempt) -> Attempt | None:
        if attempt.number >= self.config.max_attempts:
            return None
        seed = (job.seed + attempt.number * SEED_STRIDE) % SEEDS
        return replace(attempt, request=replace(attempt.request, seed=seed), number=attempt.number + 1)

    def after_no_room(self, job: LayerJob, attempt: Attempt) -> Attempt | None:
        reduced = self._reduced(attempt.request)
        spent = attempt.number >= self.config.max_attempts
        if spent or job.fallback == "none" or reduced == attempt.request:
            return None
        return replace(attempt, request=reduced, number=attempt.number + 1, reduced=True)

    def _reduced(self, asked: PaintRequest) -> PaintRequest:
        """Take fewer steps, less guidance and about half the pixels; never below the smallest size served."""

        def smaller(side_px: int) -> int:
            return max(SMALLEST_PX, round(side_px * 0.7 / self.latent_factor) * self.latent_factor)

        return replace(
            asked,
            num_inference_steps=min(asked.num_inference_steps, self.config.reduced_steps),
            guidance_scale=min(asked.guidance_scale, self.config.reduced_guidance_scale),
            width_px=smaller(asked.width_px),
            height_px=smaller(asked.height_px),
        )
