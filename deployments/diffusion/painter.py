"""What the engine asks of a model: load, paint, unload. The denoiser and its simulation both answer to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from deployments.messages import Backend, Pixels


@dataclass(frozen=True)
class PaintRequest:
    """One picture in the model's own terms; prompts are final here."""

    prompt: str
    negative_prompt: str
    num_inference_steps: int
    guidance_scale: float
    seed: int
    width_px: int
    height_px: int


@dataclass(frozen=True)
class Painted:
    """RGB pixels, and where the time went; `sampler` is the solver's name, where there was one."""

    pixels: Pixels
    encode_ms: float
    denoise_ms: float
    decode_ms: float
    warnings: tuple[str, ...] = ()
    sampler: str = ""


OnStep = Callable[[int, int], None]
"""Called after each step with (done, in all); what it raises ends the painting there."""


class Painter(Protocol):
    """Used from one thread, and not the event loop's. `load` raises NotReady, `paint` OutOfMemory."""

    @property
    def model(self) -> str: ...
    @property
    def backend(self) -> Backend: ...
    @property
    def loaded(self) -> bool: ...
    @property
    def native_size(self) -> tuple[int, int]: ...
    @property
    def latent_factor(self) -> int: ...
    def load(self) -> None: ...
    def paint(self, request: PaintRequest, on_step: OnStep) -> Painted: ...
    def unload(self) -> None: ...
