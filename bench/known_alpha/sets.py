"""Test pictures with known alpha, by set and seed; tuning and held-out seeds never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.known_alpha import backdrops, figure
from bench.known_alpha.figure import Color, Plane

SetName = Literal["plain", "studio", "hard", "busy"]
SETS: tuple[SetName, ...] = ("plain", "studio", "hard", "busy")
FIRST_HELD_OUT_SEED = 100_000


@dataclass(frozen=True)
class Sample:
    """`pixels` (512, 384, 3) uint8 RGB, and the figure's true `alpha` (512, 384) 0..1 in it."""

    pixels: NDArray[np.uint8]
    alpha: Plane


def samples(name: SetName, count: int, held_out: bool) -> Iterator[Sample]:
    """`count` pictures of a set; the same arguments give the same pixels."""
    first = FIRST_HELD_OUT_SEED if held_out else 0
    return (sample(name, first + number) for number in range(count))


def sample(name: SetName, seed: int) -> Sample:
    """plain: gradient, noise. studio: light, floor, shadow, blur. hard: clothes like the paper, JPEG 90."""
    dice = np.random.default_rng([SETS.index(name), seed])
    color = backdrops.paper(dice)
    drawn = figure.draw(dice, _like(dice, color) if name == "hard" else None)
    match name:
        case "plain" | "hard":
            behind = backdrops.plain(dice, color)
        case "studio":
            behind = backdrops.studio(dice, color, drawn.feet)
        case "busy":
            behind = backdrops.busy(dice)
    alpha: cv2.typing.MatLike = drawn.alpha
    mixed: cv2.typing.MatLike = behind + (drawn.color - behind) * alpha[..., None]
    if name == "studio":
        blur_px = dice.uniform(0.4, 1.1)
        mixed, alpha = (cv2.GaussianBlur(plane, (0, 0), blur_px) for plane in (mixed, alpha))
    mixed = mixed + dice.normal(0, dice.uniform(0.5, 3.0), mixed.shape)
    pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return Sample(_jpeg(pixels) if name == "hard" else pixels, np.asarray(alpha, np.float32))


def _like(dice: np.random.Generator, color: Color) -> Color:
    """A colour 16 to 36 levels (of RGB distance) from the paper's: seen by the eye, but barely."""
    way = dice.normal(size=3)
    moved = np.array(color) + way / np.linalg.norm(way) * dice.uniform(16, 36)
    return tuple(int(c) for c in np.clip(moved, 0, 255))  # type: ignore[return-value]


def _jpeg(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)
