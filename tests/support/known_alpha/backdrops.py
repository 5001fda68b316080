"""Draw the backdrop of a figure: plain paper, a studio, or a busy place. All are (h, w, 3) 0..255."""

from __future__ import annotations

import cv2
import numpy as np

from tests.support.known_alpha.figure import (
    HEIGHT_PX,
    WIDTH_PX,
    Color,
    Plane,
)


def paper(dice: np.random.Generator) -> Color:
    """Choose a backdrop's colour: mostly light and nearly gray, sometimes tinted or dark."""
    lightness = dice.uniform(60, 140) if dice.random() < 0.2 else dice.uniform(170, 242)
    tint = dice.normal(0, 12 if dice.random() < 0.3 else 3, 3)
    return tuple(int(c) for c in np.clip(lightness + tint, 20, 248))  # type: ignore[return-value]


def plain(dice: np.random.Generator, color: Color) -> Plane:
    """Draw one colour with a linear gradient of up to ±14 levels across the picture."""
    x, y = _grid()
    turn, swing = dice.uniform(0, 2 * np.pi), dice.uniform(0, 14)
    ramp = swing * (x * np.cos(turn) + y * np.sin(turn))
    return np.asarray(np.array(color, np.float32) + ramp[..., None], np.float32)


def studio(dice: np.random.Generator, color: Color, feet: tuple[float, float] | None) -> Plane:
    """Draw a vignette, a spot of light, a floor, and the figure's shadow on it."""
    x, y = _grid()
    aside, down = x - dice.uniform(-0.3, 0.3), y - dice.uniform(-0.5, 0.1)
    light = 1 - dice.uniform(0.05, 0.22) * (x**2 + y**2) / 2
    light += dice.uniform(0, 0.1) * np.exp(-(aside**2 + down**2) / 0.3)
    floor = 1 / (1 + np.exp(-(y - dice.uniform(0.55, 0.75)) / dice.uniform(0.04, 0.12)))
    light *= 1 + dice.uniform(-0.09, 0.05) * floor
    if feet is not None:
        px, py = np.arange(WIDTH_PX, dtype=np.float32), np.arange(HEIGHT_PX, dtype=np.float32)[:, None]
        wide, flat, slide = dice.uniform(45, 80), dice.uniform(8, 16), dice.uniform(-30, 30)
        far = ((px - feet[0] - slide) / wide) ** 2 + ((py - feet[1]) / flat) ** 2
        light *= 1 - dice.uniform(0.08, 0.35) * np.exp(-far)
    return np.asarray(np.array(color, np.float32) * light[..., None], np.float32)


def busy(dice: np.random.Generator) -> Plane:
    """Draw a backdrop that is not plain: a landscape of shapes, waves, or noise of many sizes."""
    kind = int(dice.integers(3))
    if kind == 0:
        picture = np.full((HEIGHT_PX, WIDTH_PX, 3), dice.integers(60, 240, 3), np.uint8)
        for _ in range(int(dice.integers(60, 140))):
            corners = dice.integers(-40, (420, 550)) + dice.integers(-110, 110, (4, 2))
            cv2.fillConvexPoly(
                picture, cv2.convexHull(corners.astype(np.int32)), dice.integers(0, 255, 3).tolist()
            )
        return picture.astype(np.float32)
    if kind == 1:
        x, y = _grid()
        turn, waves = dice.uniform(0, np.pi), dice.uniform(6, 30)
        bands = np.sin(waves * (x * np.cos(turn) + y * np.sin(turn)) + dice.uniform(0, 6))
        mixing = (0.5 + 0.5 * np.clip(3 * bands, -1, 1))[..., None]
        low, high = dice.uniform(0, 140, 3), dice.uniform(110, 255, 3)
        return np.asarray(low + (high - low) * mixing, np.float32)
    layers = []
    for cells in (4, 8, 16, 32):
        coarse = dice.normal(0, 60 / np.sqrt(cells / 4), (cells, cells, 3)).astype(np.float32)
        layers.append(cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC))
    return np.asarray(np.clip(np.sum(layers, axis=0) + dice.uniform(90, 170), 0, 255), np.float32)


def _grid() -> tuple[Plane, Plane]:
    """Return x and y of every pixel, -1..1."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH_PX), np.linspace(-1, 1, HEIGHT_PX))
    return x.astype(np.float32), y.astype(np.float32)
