"""Draw a lit backdrop of any colour: vignette, spots, a floor, shadows, grain, JPEG."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.known_alpha.figure import (
    HEIGHT_PX,
    WIDTH_PX,
    Color,
    Figure,
    Plane,
)


def color(dice: np.random.Generator) -> Color:
    """Choose the paper's colour: half of the time pale and nearly gray, else any hue, from dark to light."""
    if dice.random() < 0.5:
        tint = dice.normal(0, 4, 3)
        return tuple(int(c) for c in np.clip(dice.uniform(190, 244) + tint, 20, 250))  # type: ignore[return-value]
    red, green, blue = colorsys.hsv_to_rgb(dice.random(), dice.uniform(0.1, 0.85), dice.uniform(0.3, 0.95))
    return int(255 * red), int(255 * green), int(255 * blue)


def alike(dice: np.random.Generator, paper: Color) -> Color:
    """Choose a colour 12 to 40 levels (of RGB distance) from the paper's."""
    for _ in range(20):
        way = dice.normal(size=3)
        moved = np.array(paper) + way / np.linalg.norm(way) * dice.uniform(12, 40)
        clipped = np.clip(moved, 4, 252)
        if np.linalg.norm(clipped - paper) > 11:
            break
    return tuple(int(c) for c in clipped)  # type: ignore[return-value]


def backdrop(dice: np.random.Generator, paper: Color, figure: Figure, floor: bool) -> Plane:
    """Draw a lit (h, w, 3) 0..255; a `floor` has the figure's shadow, and perhaps a horizon."""
    x, y = np.meshgrid(np.linspace(-1, 1, WIDTH_PX), np.linspace(-1, 1, HEIGHT_PX))
    light = 1 - dice.uniform(0, 0.3) * (x**2 + y**2) / 2
    far = (x - dice.uniform(-0.5, 0.5)) ** 2 + (y - dice.uniform(-0.6, 0.2)) ** 2
    light += dice.uniform(0, 0.12) * np.exp(-far / dice.uniform(0.2, 0.6))
    light += dice.uniform(-0.06, 0.06) * x
    coarse = dice.normal(0, dice.uniform(0, 0.015), (8, 6))
    light = light + cv2.resize(coarse, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_CUBIC)
    if floor:
        light = light * _floor(dice, y, figure.feet)
        light = light * _shadows(dice, figure)
    return np.asarray(np.array(paper, np.float32) * light[..., None], np.float32)


def develop(dice: np.random.Generator, mixed: Plane, alpha: Plane) -> tuple[NDArray[np.uint8], Plane]:
    """Blur the picture and its alpha, add grain, and compress it as a JPEG two times in three."""
    blur_px = dice.uniform(0.3, 0.9)
    picture, cover = (cv2.GaussianBlur(plane, (0, 0), blur_px) for plane in (mixed, alpha))
    grain = dice.normal(0, dice.uniform(0.3, 4.5), (*picture.shape[:2], 1))
    grain = grain + dice.normal(0, dice.uniform(0.2, 1.5), picture.shape)
    pixels = np.clip(np.rint(picture + grain), 0, 255).astype(np.uint8)
    if dice.random() < 2 / 3:
        quality = int(dice.integers(85, 96))
        _, data = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert decoded is not None
        pixels = np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8)
    return pixels, np.asarray(cover, np.float32)


def _floor(
    dice: np.random.Generator, y: NDArray[np.float64], feet: tuple[float, float] | None
) -> NDArray[np.float64]:
    """Return the floor's light (h, w) against the wall; its horizon is above the feet and may be sharp."""
    kind = int(dice.integers(4))
    if kind == 0:
        return np.ones_like(y)
    ground = 0.7 if feet is None else 2 * feet[1] / HEIGHT_PX - 1
    horizon = min(0.85, ground - dice.uniform(0.06, 0.35))
    wide = (0.02, 0.06, dice.uniform(0.08, 0.2))[kind - 1] if kind != 1 else dice.uniform(0.003, 0.01)
    return 1 + dice.uniform(-0.14, 0.07) / (1 + np.exp(-np.clip((y - horizon) / wide, -40, 40)))


def _shadows(dice: np.random.Generator, figure: Figure) -> Plane:
    """Return light (h, w): a disk under the figure, shadows right under its feet, its shape cast sideways."""
    light = np.ones((HEIGHT_PX, WIDTH_PX), np.float32)
    if figure.feet is None:
        return light
    x, y = np.arange(WIDTH_PX, dtype=np.float32), np.arange(HEIGHT_PX, dtype=np.float32)[:, None]
    at_x, at_y = figure.feet
    if dice.random() < 0.85:
        wide, flat = dice.uniform(35, 110), dice.uniform(6, 22)
        far = ((x - at_x - dice.uniform(-25, 25)) / wide) ** 2 + (
            (y - at_y - dice.uniform(-8, 6)) / flat
        ) ** 2
        dark, kind = dice.uniform(0.08, 0.5), dice.random()
        if kind < 0.6:
            light *= 1 - dark * np.exp(-far)
        else:  # a disk with an edge, some pixels wide
            disk = cv2.GaussianBlur((far < 1).astype(np.float32), (0, 0), dice.uniform(1.5, 9))
            light *= 1 - 0.7 * dark * np.asarray(disk)
    if dice.random() < 0.4:
        spread = dice.uniform(12, 30)
        for side in (-1, 1):
            far = ((x - at_x - side * spread) / dice.uniform(14, 26)) ** 2 + (
                (y - at_y - 1) / dice.uniform(3, 7)
            ) ** 2
            light *= 1 - dice.uniform(0.1, 0.4) * np.exp(-far)
    if dice.random() < 0.2:
        squash, lean = dice.uniform(0.1, 0.3), dice.uniform(-0.6, 0.6)
        turn = np.array([[1, -lean, lean * at_y], [0, squash, at_y * (1 - squash)]], np.float32)
        cast = cv2.warpAffine(figure.alpha, turn, (WIDTH_PX, HEIGHT_PX))
        light *= 1 - dice.uniform(0.1, 0.3) * np.asarray(cv2.GaussianBlur(cast, (0, 0), dice.uniform(3, 9)))
    return light
