"""Simulate a model: sleep for a configured time in each step, and draw pictures that say SIMULATED.

It supports claims about queueing, routing, scaling and faults, but never about pictures or their speed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from deployments.bounds import Factor, SecondsOrNone, Side
from deployments.diffusion.lora_weights import LoraWeights
from deployments.diffusion.painter import Painting, PaintRequest, guided_rows
from deployments.errors import NotReady
from deployments.messages import Backend, LayerKind, LoraUse, Pixels

STAMP = "SIMULATED"
BACKDROP = (224, 224, 222)
Colours = NDArray[np.int64]
"""(2, 3) RGB levels."""


def draw(kind: LayerKind, width_px: int, height_px: int, seed: int) -> Pixels:
    """Draw (height_px, width_px, 3) RGB.

    The seed chooses the colours; the same arguments give the same pixels.
    """
    colours = np.random.default_rng(seed).integers(50, 170, (2, 3))
    picture = _sky(width_px, height_px, colours)
    if kind == "character":
        picture = Image.new("RGB", (width_px, height_px), BACKDROP)
        _figure(picture, colours)
    else:
        # Above the middle, so that a cover crop keeps it and a figure does not hide it.
        _stamp(picture, 0.25 * width_px, 0.3 * height_px, 0.4 * width_px)
    return np.asarray(picture)


def _sky(width_px: int, height_px: int, colours: Colours) -> Image.Image:
    ramp = np.linspace(0, 1, height_px)[:, None, None]
    rows = colours[0] * (1 - ramp) + colours[1] * ramp
    pixels = np.broadcast_to(rows, (height_px, width_px, 3)).astype(np.uint8)
    return Image.fromarray(np.ascontiguousarray(pixels))


def _figure(picture: Image.Image, colours: Colours) -> None:
    """Draw a head, a wide robe with the stamp across it, and two shoes, with the same shape in any frame."""
    tall = min(picture.height, picture.width / 0.75)
    middle, top = picture.width / 2, 0.5 * (picture.height - tall)

    def at(across: float, down: float) -> tuple[float, float]:
        return middle + across * tall, top + down * tall

    draw = ImageDraw.Draw(picture)
    robe, skin = (tuple(int(level) for level in colour) for colour in colours)
    for side in (-1, 1):
        draw.ellipse([at(side * 0.12 - 0.07, 0.88), at(side * 0.12 + 0.07, 0.94)], fill=(50, 46, 48))
    outline = [(-0.1, 0.3), (0.1, 0.3), (0.29, 0.5), (0.27, 0.91), (-0.27, 0.91), (-0.29, 0.5)]
    draw.polygon([at(*corner) for corner in outline], fill=robe)
    draw.ellipse([at(-0.11, 0.1), at(0.11, 0.33)], fill=skin)
    _stamp(picture, middle, top + 0.66 * tall, 0.5 * tall)


def _stamp(picture: Image.Image, x: float, y: float, room_px: float) -> None:
    """Draw the stamp: white with a black rim, centred on (x, y), and `room_px` wide."""
    size_px = max(6.0, 10 * room_px / _font(10).getlength(STAMP))
    rim_px, font = max(1, round(size_px / 16)), _font(size_px)
    ImageDraw.Draw(picture).text(
        (x, y), STAMP, fill="white", stroke_width=rim_px, stroke_fill="black", anchor="mm", font=font
    )


@lru_cache(maxsize=32)
def _font(size_px: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's font, cached because reading it takes longer than drawing with it."""
    return ImageFont.load_default(size_px)


@dataclass(frozen=True)
class SimulatedConfig:
    """Seconds of sleep in each stage. It sleeps and never spins, so that many replicas fit on one core.

    `step_s` is for one guided picture alone. Each further picture in the same forward adds
    `shared_step_ratio` of it: 0.63 on an A100, 0.73 on a 4090, 0.93 on a T4, from their published times for
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
    """Paint a seeded plain figure, or a plain sky, that says SIMULATED."""

    backend: Backend = "simulated"
    example_start = None
    latent_factor = 8
    fixed_rows: int | None = None
    fingerprint = "simulated"
    compile_states: Mapping[str, int] = {}

    def __init__(self, config: SimulatedConfig, kind: LayerKind = "character", model: str = "") -> None:
        """Simulate `model`. Results name it by the word `simulated` and its id."""
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

    def start_compiling(self) -> None: ...

    def stop_compiling(self) -> None: ...

    def measure(self, rows: int) -> float:
        """Return the configured seconds at once, without a measurement."""
        return self._config.step_s * (1 + self._config.shared_step_ratio * (rows / 2 - 1))

    def lora_size(self, use: LoraUse) -> int:
        return 0

    def read_lora(self, use: LoraUse) -> LoraWeights:
        """Return a LoRA that changes nothing, since the seed alone decides a simulated picture."""
        return LoraWeights({}, 0)

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return [guided_rows(request)]

    def begin(self, request: PaintRequest) -> Painting:
        if not self.loaded:
            raise NotReady("the model is not loaded")
        time.sleep(self._config.encode_s)
        return Painting(request, request.steps, guided=request.guidance_scale > 1)

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
