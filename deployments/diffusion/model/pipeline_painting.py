"""Define one picture that a pipeline paints: where the pipeline waits, and what may share its next call."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from deployments.diffusion.model.lora_rows import Changes
from deployments.diffusion.model.pipeline_run import PipelineRun
from deployments.diffusion.model.pixels import to_uint8
from deployments.diffusion.painter import Painting, Preview
from deployments.messages import Pixels

NOTHING = object()
IN_STEPS = ("controlnet", "denoiser")
"""The networks of a step, in their order."""


@dataclass(eq=False)
class PipelinePainting(Painting):
    """A picture, and the pipeline that paints it.

    `outcome` is its call's result, if it is known and the pipeline has not gone on yet. `counted` is how many
    of the pipeline's steps are in `done`. `calls_seen` counts the denoiser's calls in its last step, at first
    as its family makes them, and `calls_made` those in the step under way. `drawn` is its last preview.
    `changes` are its LoRAs' changes to the denoiser. `alone`: no other picture shares its denoiser's
    forwards.
    """

    run: PipelineRun = field(kw_only=True)
    outcome: Any = NOTHING
    counted: int = 0
    calls_seen: int = 1
    calls_made: int = 0
    drawn: Preview | None = None
    pixels: Pixels | None = None
    changes: Changes = field(default_factory=dict)
    alone: bool = False

    @property
    def rows(self) -> int:
        """Return how many rows its next call has."""
        return self.run.call.rows if self.run.at in IN_STEPS else 1

    @property
    def calls(self) -> int:
        return self.calls_seen

    @property
    def forward_key(self) -> Hashable:
        return self.call_key if self.run.at in IN_STEPS else None

    @property
    def call_key(self) -> Hashable:
        """Return the key that is equal for calls of two pictures that can be made as one."""
        key = self.run.call.key
        return (key, id(self)) if self.alone and self.run.at == "denoiser" else key

    @property
    def is_in_step(self) -> bool:
        """Return whether its pipeline must go on to finish the step under way."""
        return self.run.at in IN_STEPS and self.run.progress.done == self.counted and self.fault is None

    def count(self) -> None:
        """Account for the steps that its pipeline has taken."""
        if self.fault is None:
            self.counted = self.run.progress.done
            self.calls_seen, self.calls_made = max(1, self.calls_made), 0
            under_way = self.run.at in IN_STEPS
            self.done = min(self.counted, self.steps - 1) if under_way else self.steps

    def finished_pixels(self) -> Pixels:
        """Return the pixels of a decoded picture. Raises what went wrong after the decoding."""
        if self.fault is not None:
            raise self.fault
        if self.pixels is None:
            self.pixels = to_uint8(self.run.output.images[0])
        return self.pixels

    def close(self) -> None:
        self.outcome = NOTHING
        self.run.close()
