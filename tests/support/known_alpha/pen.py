"""Draw shapes with exact coverage: at three times their size without anti-aliasing, then averaged down."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.known_alpha.figure import (
    HEIGHT_PX,
    OVERSAMPLING,
    WIDTH_PX,
    Color,
    Figure,
)

INK: Color = (32, 26, 30)


class Pen:
    """Draw in figure heights: x counts from the figure's middle, y from its top."""

    def __init__(self, dice: np.random.Generator, tall: float, top: float, outline: int) -> None:
        """Set the scale: `tall`, `top` are shares of the picture's height, `outline` is in 1/3 pixel or 0."""
        size = (HEIGHT_PX * OVERSAMPLING, WIDTH_PX * OVERSAMPLING)
        self.canvas, self.cover = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
        self.dice, self.tall, self.outline = dice, tall, outline
        self.x, self.y = WIDTH_PX / HEIGHT_PX / 2 + dice.uniform(-0.05, 0.05), top

    def place(self, points: Any) -> NDArray[np.int32]:
        moved = np.asarray(points, np.float64) * self.tall + (self.x, self.y)
        return np.rint(moved * HEIGHT_PX * OVERSAMPLING).astype(np.int32)

    def px(self, length: float) -> int:
        return max(1, round(length * self.tall * HEIGHT_PX * OVERSAMPLING))

    def shape(self, points: Any, color: Color) -> None:
        corners = self.place(points)
        for plane, filled, edge in ((self.canvas, color, INK), (self.cover, 255, 255)):
            cv2.fillPoly(plane, [corners], filled)
            if self.outline:
                cv2.polylines(plane, [corners], True, edge, self.outline)

    def limb(self, points: Any, thick: float, color: Color) -> None:
        spine, width = self.place(points), self.px(thick)
        for plane, filled, edge in ((self.canvas, color, INK), (self.cover, 255, 255)):
            if self.outline:
                cv2.polylines(plane, [spine], False, edge, width + 2 * self.outline)
            cv2.polylines(plane, [spine], False, filled, width)

    def oval(
        self, x: float, y: float, rx: float, ry: float, color: Color, turns: tuple[float, float] = (0, 2)
    ) -> None:
        """Draw an ellipse, or the part of it between two `turns` in units of pi."""
        turn = np.linspace(turns[0] * np.pi, turns[1] * np.pi, 48)
        self.shape(np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1), color)

    def box(
        self, left: float, top: float, right: float, bottom: float, color: Color, round_by: float = 0.0
    ) -> None:
        """Draw a rectangle whose corners are rounded with radius `round_by`."""
        turn = np.linspace(0, np.pi / 2, 8)
        corners = []
        for x, y, begin in ((right, bottom, 0), (left, bottom, 1), (left, top, 2), (right, top, 3)):
            inward = np.array((x, y)) + round_by * np.sign([(left + right) / 2 - x, (top + bottom) / 2 - y])
            angle = turn + begin * np.pi / 2
            corners.append(inward + round_by * np.stack([np.cos(angle), np.sin(angle)], 1))
        self.shape(np.concatenate(corners), color)

    def hairs(self, x: float, y: float, inner: float, outer: float, color: Color, thick: float) -> None:
        """Draw strands that stand off a round head; `thick` is the width of the thickest, in pixels."""
        for _ in range(int(self.dice.integers(6, 30))):
            turn = self.dice.uniform(-1.05 * np.pi, 0.05 * np.pi)
            turns = turn + np.linspace(0, self.dice.uniform(-0.5, 0.5), 4)
            reach = np.linspace(inner * 0.9, self.dice.uniform(inner * 1.1, outer), 4)
            spine = self.place(np.stack([x + reach * np.cos(turns), y + reach * np.sin(turns)], 1))
            width = max(1, round(self.dice.uniform(0.4, thick) * OVERSAMPLING))
            cv2.polylines(self.canvas, [spine], False, color, width)
            cv2.polylines(self.cover, [spine], False, 255, width)

    def figure(self, feet: tuple[float, float] | None, folds: float = 0.03) -> Figure:
        """Average the figure down; `feet` is in figure heights, `folds` is how much light varies over it."""
        size = (WIDTH_PX, HEIGHT_PX)
        cover = self.cover.astype(np.float32) / 255
        alpha = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        color = cv2.resize(self.canvas * cover[..., None], size, interpolation=cv2.INTER_AREA)
        light = cv2.resize(
            self.dice.normal(1, folds, (7, 5)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC
        )
        color = np.clip(color / np.maximum(alpha, 1e-3)[..., None] * light[..., None], 0, 255)
        where = None
        if feet is not None:
            where = (self.x + feet[0] * self.tall) * HEIGHT_PX, (self.y + feet[1] * self.tall) * HEIGHT_PX
        return Figure(np.asarray(color, np.float32), np.asarray(alpha, np.float32), where)
