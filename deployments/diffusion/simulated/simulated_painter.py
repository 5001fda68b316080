"""Simulate a model: take a measured time a step, and stamp the pictures as simulated.

It supports claims about queueing, routing, scaling and faults; never about pictures or their speed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from deployments.bounds import Factor, SecondsOrNone, Side
from deployments.diffusion.painter import Painting, PaintRequest, guided_rows
from deployments.diffusion.simulated.simulated_pictures import draw
from deployments.errors import NotReady
from deployments.messages import Backend, LayerKind, Pixels


@dataclass(frozen=True)
class SimulatedConfig:
    """Seconds of sleep in each stage; sleeping, never spinning, so that many replicas fit on one core.

    `step_s` is that of one guided picture alone, and each further one in the same forward adds
    `shared_step_ratio` of it: 0.63 on an A100, 0.73 on a 4090, 0.93 on a T4, by their published times for
    Stable Diffusion 1.5 at 512 x 512 in half precision, compiled.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    load_s: SecondsOrNone = 0.0
    encode_s: SecondsOrNone = 0.005
    step_s: SecondsOrNone = 0.02
    decode_s: SecondsOrNone = 0.02
    shared_step_ratio: Factor = 0.7
    native_size: tuple[Side, Side] = (512, 512)


class SimulatedPainter:
    """Paints a seeded plain figure, or a plain sky, that says SIMULATED."""

    backend: Backend = "simulated"
    latent_factor = 8
    fixed_rows: int | None = None
    fingerprint = "simulated"

    def __init__(self, config: SimulatedConfig, kind: LayerKind = "character", model: str = "") -> None:
        """Simulate `model`: results give its id after the word `simulated`."""
        self.model = f"simulated {model}".rstrip()
        self._config = config
        self._kind = kind
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
        """Return the configured seconds at once, without a measurement."""
        return self._config.step_s * (1 + self._config.shared_step_ratio * (rows / 2 - 1))

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return [guided_rows(request)]

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
                picture = self._draw(painting)
                painting.preview = picture[:: self.latent_factor, :: self.latent_factor]

    def decode(self, paintings: Sequence[Painting]) -> list[Pixels]:
        time.sleep(self._config.decode_s * len(paintings))
        return [self._draw(painting) for painting in paintings]

    def _draw(self, painting: Painting) -> Pixels:
        request = painting.request
        return draw(self._kind, request.width_px, request.height_px, request.seed)
