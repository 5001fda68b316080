"""A stand-in for a model: it takes a measured time a step, and stamps what it makes as simulated.

It supports claims about queueing, routing, scaling and faults; never about pictures or their speed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deployments.diffusion.painter import OnStep, Painted, PaintRequest
from deployments.errors import NotReady
from deployments.messages import Backend, Pixels


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
    """Paints a seeded two-colour gradient that says SIMULATED."""

    model = "simulated"
    backend: Backend = "simulated"
    latent_factor = 8

    def __init__(self, config: SimulatedConfig) -> None:
        self._config = config
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
            _stamped_gradient(request),
            encode_ms=1e3 * self._config.encode_s,
            denoise_ms=1e3 * self._config.step_s * request.num_inference_steps,
            decode_ms=1e3 * self._config.decode_s,
        )

    def unload(self) -> None:
        self.loaded = False


def _stamped_gradient(request: PaintRequest) -> Pixels:
    colours = np.random.default_rng(request.seed).integers(60, 200, (2, 3))
    ramp = np.linspace(0, 1, request.height_px)[:, None, None]
    rows = colours[0] * (1 - ramp) + colours[1] * ramp
    pixels = np.broadcast_to(rows, (request.height_px, request.width_px, 3)).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    size = max(10, request.width_px // 8)
    ImageDraw.Draw(picture).text(
        (request.width_px / 2, request.height_px / 2),
        "SIMULATED",
        fill=(255, 255, 255),
        stroke_width=2,
        stroke_fill=(0, 0, 0),
        anchor="mm",
        font=ImageFont.load_default(size),
    )
    return np.asarray(picture)
