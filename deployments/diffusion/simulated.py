"""A stand-in for a model: it takes a measured time a step, and stamps what it makes as simulated.

It supports claims about queueing, routing, scaling and faults; never about pictures or their speed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

from deployments.diffusion.painter import OnStep, Painted, PaintRequest
from deployments.diffusion.simulated_pictures import draw
from deployments.errors import NotReady
from deployments.messages import Backend, LayerKind


@dataclass(frozen=True)
class SimulatedConfig:
    """Seconds of sleep in each stage; sleeping, never spinning, so that many replicas fit on one core."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    load_s: float = 0.0
    encode_s: float = 0.005
    step_s: float = 0.02
    decode_s: float = 0.02
    native_size: tuple[int, int] = (512, 512)


class SimulatedPainter:
    """Paints a seeded plain figure, or a plain sky, that says SIMULATED."""

    model = "simulated"
    backend: Backend = "simulated"
    latent_factor = 8

    def __init__(self, config: SimulatedConfig, kind: LayerKind = "character") -> None:
        self._config = config
        self._kind = kind
        self.native_size = config.native_size
        self.loaded = False

    def load(self) -> None:
        if not self.loaded:
            time.sleep(self._config.load_s)
            self.loaded = True

    def paint(self, request: PaintRequest, on_step: OnStep) -> Painted:
        if not self.loaded:
            raise NotReady("the model is not loaded")
        time.sleep(self._config.encode_s)
        for step in range(request.num_inference_steps):
            time.sleep(self._config.step_s)
            on_step(step + 1, request.num_inference_steps)
        time.sleep(self._config.decode_s)
        return Painted(
            draw(self._kind, request.width_px, request.height_px, request.seed),
            encode_ms=1e3 * self._config.encode_s,
            denoise_ms=1e3 * self._config.step_s * request.num_inference_steps,
            decode_ms=1e3 * self._config.decode_s,
        )

    def unload(self) -> None:
        self.loaded = False
