"""Test pictures with known alpha, by set and seed; tuning and held-out seeds never overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.known_alpha import (
    backdrops,
    figure,
    people,
    stage,
    strangers,
)
from tests.support.known_alpha.figure import Color, Plane

SetName = Literal["plain", "studio", "hard", "busy", "clean", "floor", "alike"]
SETS: tuple[SetName, ...] = ("plain", "studio", "hard", "busy", "clean", "floor", "alike")
STAGED: tuple[SetName, ...] = ("clean", "floor", "alike")
"""Sets whose held-out pictures also have other shapes: `people` to tune on, `strangers` to report on."""
FIRST_HELD_OUT_SEED = 100_000


@dataclass(frozen=True)
class Sample:
    """`pixels` (512, 384, 3) uint8 RGB, and the figure's true `alpha` (512, 384) 0..1 in it."""

    pixels: NDArray[np.uint8]
    alpha: Plane


def samples(name: SetName, count: int, held_out: bool) -> Iterator[Sample]:
    """Yield `count` pictures of a set; the same arguments give the same pixels."""
    first = FIRST_HELD_OUT_SEED if held_out else 0
    return (sample(name, first + number) for number in range(count))


def sample(name: SetName, seed: int) -> Sample:
    """Make one picture of a set.

    plain: gradient, noise. studio: light, floor, shadow, blur. hard: clothes like the paper, JPEG 90.
    Staged sets, on paper of any colour: clean: light, grain. floor: also a floor with shadows. alike: also
    clothes like the paper.
    """
    dice = np.random.default_rng([SETS.index(name), seed])
    if name in STAGED:
        return _staged(name, dice, held_out=seed >= FIRST_HELD_OUT_SEED)
    color = backdrops.paper(dice)
    drawn = figure.draw(dice, _like(dice, color) if name == "hard" else None)
    match name:
        case "plain" | "hard":
            behind = backdrops.plain(dice, color)
        case "studio":
            behind = backdrops.studio(dice, color, drawn.feet)
        case _:
            behind = backdrops.busy(dice)
    alpha: cv2.typing.MatLike = drawn.alpha
    mixed: cv2.typing.MatLike = behind + (drawn.color - behind) * alpha[..., None]
    if name == "studio":
        blur_px = dice.uniform(0.4, 1.1)
        mixed, alpha = (cv2.GaussianBlur(plane, (0, 0), blur_px) for plane in (mixed, alpha))
    mixed = mixed + dice.normal(0, dice.uniform(0.5, 3.0), mixed.shape)
    pixels = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return Sample(_jpeg(pixels) if name == "hard" else pixels, np.asarray(alpha, np.float32))


def _staged(name: SetName, dice: np.random.Generator, held_out: bool) -> Sample:
    paper = stage.color(dice)
    cloth = stage.alike(dice, paper) if name == "alike" else None
    drawn = (strangers if held_out else people).draw(dice, cloth)
    floor = name == "floor" or (name == "alike" and dice.random() < 0.5)
    behind = stage.backdrop(dice, paper, drawn, floor)
    mixed = behind + (drawn.color - behind) * drawn.alpha[..., None]
    return Sample(*stage.develop(dice, np.asarray(mixed, np.float32), drawn.alpha))


def _like(dice: np.random.Generator, color: Color) -> Color:
    """Choose a colour 16 to 36 levels (of RGB distance) from the paper's, which is barely visible."""
    way = dice.normal(size=3)
    moved = np.array(color) + way / np.linalg.norm(way) * dice.uniform(16, 36)
    return tuple(int(c) for c in np.clip(moved, 0, 255))  # type: ignore[return-value]


def _jpeg(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)
