"""One layer, tried until it is usable: what to try after a picture that was not.

A picture that fails its check is painted again from a derived seed; one that the device has no room for is
reduced, if the job's fallback allows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployments.diffusion.engine.work_item import WorkItem
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import PaintRequest

SEED_STRIDE = 1_000_003
"""Between the seeds of successive attempts: far from the neighbours that people choose by hand."""
SEEDS = 2**53
"""Derived seeds stay below it, like those of requests: a seed that we report can be requested again."""
SMALLEST_PX = 64
SMALLER = 0.7
"""By which a side is shortened: about half the pixels."""


@dataclass(frozen=True)
class RetryPolicy:
    """Give the request of the next attempt after one that failed, or None where there is none."""

    config: GenerationConfig
    latent_factor: int

    def as_it_is(self, work: WorkItem) -> PaintRequest | None:
        return None if work.attempt >= self.config.max_attempts else work.request

    def after_flaw(self, work: WorkItem) -> PaintRequest | None:
        if work.attempt >= self.config.max_attempts:
            return None
        seed = (work.job.seed + work.attempt * SEED_STRIDE) % SEEDS
        return replace(work.request, seed=seed)

    def after_out_of_memory(self, work: WorkItem) -> PaintRequest | None:
        reduced = self._reduced(work.request)
        spent = work.attempt >= self.config.max_attempts
        if spent or work.job.fallback == "none" or reduced == work.request:
            return None
        return reduced

    def _reduced(self, request: PaintRequest) -> PaintRequest:
        """Take fewer steps, less guidance and about half the pixels; never below the smallest size served.

        Pictures that it reads have half the pixels too: a model that edits holds them beside its own.
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
