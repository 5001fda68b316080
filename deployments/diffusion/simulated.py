"""A stand-in for a model: it takes a measured time a step, and stamps what it makes as simulated.

It supports claims about queueing, routing, scaling and faults; never about pictures or their speed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from deployments.diffusion.painter import Painting, PaintRequest
from deployments.errors import NotReady
from deployments.messages import Backend, Pixels


@dataclass(frozen=True)
class SimulatedConfig:
    """Seconds of sleep in each stage; sleeping, never spinning, so that many replicas fit on one core.

    `step_s` is that of one guided picture alone, and each further one in the same forward adds
    `shared_step_ratio` of it: 0.63 on an A100, 0.73 on a 4090, 0.93 on a T4, by their published times for
    Stable Diffusion 1.5 at 512 x 512 in half precision, compiled.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    load_s: float = 0.0
    encode_s: float = 0.005
    step_s: float = 0.02
    decode_s: float = 0.02
    shared_step_ratio: float = 0.7
    native_size: tuple[int, int] = (512, 512)


class SimulatedPainter:
    """Paints a seeded two-colour gradient that says SIMULATED."""

    model = "simulated"
    backend: Backend = "simulated"
    latent_factor = 8
    fixed_rows: int | None = None
    fingerprint = "simulated"

    def __init__(self, config: SimulatedConfig) -> None:
        self._config = config
        self.native_size = config.native_size
        self.loaded = False

    def load(self) -> None:
        if not self.loaded:
            time.sleep(self._config.load_s)
            self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def free(self) -> None: ...

    def measure(self, rows: int) -> float:
        """Known, so nobody need wait for it."""
        return self._config.step_s * (1 + self._config.shared_step_ratio * (rows / 2 - 1))

    def begin(self, request: PaintRequest) -> Painting:
        if not self.loaded:
            raise NotReady("the model is not loaded")
        time.sleep(self._config.encode_s)
        return Painting(request, request.num_inference_steps, guided=request.guidance_scale > 1)

    def step(self, paintings: Sequence[Painting]) -> None:
        time.sleep(self.measure(sum(painting.rows for painting in paintings)))
        for painting in paintings:
            painting.done += 1
            if painting.done in painting.preview_steps:
                picture = _stamped_gradient(painting.request)
                painting.preview = picture[:: self.latent_factor, :: self.latent_factor]

    def decode(self, paintings: Sequence[Painting]) -> list[Pixels]:
        time.sleep(self._config.decode_s * len(paintings))
        return [_stamped_gradient(painting.request) for painting in paintings]


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
