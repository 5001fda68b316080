"""A random figure with its exact alpha: limbs with holes between them, loose strands of hair, cloth folds.

It is drawn at three times its size without anti-aliasing and averaged down, so that the alpha is the true
pixel coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX, OVERSAMPLING = 384, 512, 3
Plane = NDArray[np.float32]
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Figure:
    """`color` (h, w, 3) 0..255, any where `alpha` (h, w) 0..1 is 0; `feet` (x, y) px, None if cropped."""

    color: Plane
    alpha: Plane
    feet: tuple[float, float] | None


def draw(dice: np.random.Generator, cloth: Color | None = None) -> Figure:
    """Draw a full figure two times in three, else one cropped at the bottom. `cloth` colours its clothes."""
    return _Drawing(dice, cloth).figure()


class _Drawing:
    def __init__(self, dice: np.random.Generator, cloth: Color | None) -> None:
        self.dice = dice
        size = (HEIGHT_PX * OVERSAMPLING, WIDTH_PX * OVERSAMPLING)
        self.canvas, self.cover = np.zeros((*size, 3), np.uint8), np.zeros(size, np.uint8)
        self.cropped = bool(dice.random() < 1 / 3)
        self.tall = dice.uniform(1.35, 1.8) if self.cropped else dice.uniform(0.78, 0.9)
        self.x = WIDTH_PX / HEIGHT_PX / 2 + dice.uniform(-0.05, 0.05)
        self.y = dice.uniform(0.08, 0.16) if self.cropped else 0.955 - self.tall
        self.outline = int(dice.integers(5, 12)) if dice.random() < 0.4 else 0
        self.cloth = cloth or self.any_color()
        self.hair, self.skin, self.trousers = self.any_color(), self.any_skin(), cloth or self.any_color()

    def any_color(self) -> Color:
        return tuple(int(c) for c in self.dice.integers(15, 240, 3))  # type: ignore[return-value]

    def any_skin(self) -> Color:
        return tuple(int(c * self.dice.uniform(0.5, 1)) for c in (250, 206, 172))  # type: ignore[return-value]

    def place(self, points: Any) -> NDArray[np.int32]:
        """Convert figure heights (x from the figure's middle, y from its top) to canvas pixels."""
        moved = np.asarray(points, np.float64) * self.tall + (self.x, self.y)
        return np.rint(moved * HEIGHT_PX * OVERSAMPLING).astype(np.int32)

    def px(self, length: float) -> int:
        return max(1, round(length * self.tall * HEIGHT_PX * OVERSAMPLING))

    def shape(self, points: Any, color: Color) -> None:
        corners = self.place(points)
        cv2.fillPoly(self.canvas, [corners], color)
        cv2.fillPoly(self.cover, [corners], 255)
        if self.outline:
            dark = tuple(c // 4 for c in color)
            cv2.polylines(self.canvas, [corners], True, dark, self.outline)
            cv2.polylines(self.cover, [corners], True, 255, self.outline)

    def limb(self, points: Any, thick: float, color: Color) -> None:
        spine, width = self.place(points), self.px(thick)
        if self.outline:
            cv2.polylines(self.canvas, [spine], False, tuple(c // 4 for c in color), width + self.outline)
            cv2.polylines(self.cover, [spine], False, 255, width + self.outline)
        cv2.polylines(self.canvas, [spine], False, color, width)
        cv2.polylines(self.cover, [spine], False, 255, width)

    def disc(self, x: float, y: float, rx: float, ry: float, color: Color) -> None:
        turn = np.linspace(0, 2 * np.pi, 48)
        self.shape(np.stack([x + rx * np.cos(turn), y + ry * np.sin(turn)], 1), color)

    def figure(self) -> Figure:
        dice, wide = self.dice, self.dice.uniform(0.08, 0.11)
        if dice.random() < 0.4:  # a cape
            hem = dice.uniform(0.5, 0.85)
            flare = dice.uniform(0.14, 0.2)
            self.shape([(-0.06, 0.2), (0.06, 0.2), (flare, hem), (-flare, hem)], self.any_color())
        for side in (-1, 1):
            self.limb([(side * 0.045, 0.5), (side * dice.uniform(0.05, 0.08), 0.95)], 0.06, self.trousers)
            self.disc(side * 0.075, 0.97, 0.05, 0.028, self.any_color())
            self.arm(side, wide)
        hem, flare = dice.uniform(0.55, 0.8), dice.uniform(0.1, 0.2)
        body = [
            (-wide, 0.22),
            (wide, 0.22),
            (wide * 0.7, 0.4),
            (flare, hem),
            (-flare, hem),
            (-wide * 0.7, 0.4),
        ]
        self.shape(body, self.cloth)
        self.limb([(-wide * 0.7, 0.41), (wide * 0.7, 0.41)], 0.025, self.any_color())
        self.limb([(0, 0.15), (0, 0.24)], 0.05, self.skin)
        self.disc(0, 0.1, 0.1, 0.1, self.hair)
        self.strands()
        self.disc(0, 0.125, 0.075, 0.085, self.skin)
        for side in (-1, 1):
            self.disc(side * 0.028, 0.12, 0.009, 0.014, (30, 25, 30))
        return self.finished()

    def arm(self, side: int, wide: float) -> None:
        dice = self.dice
        shoulder = (side * wide * 0.95, 0.25)
        if dice.random() < 0.5:  # a hand on the hip leaves a hole
            hand = (side * wide * 0.85, 0.42)
            elbow = (side * dice.uniform(0.17, 0.21), 0.35)
        else:
            elbow, hand = (side * dice.uniform(0.13, 0.19), 0.36), (side * dice.uniform(0.14, 0.24), 0.47)
            if dice.random() < 0.5:  # a staff, a thin thing far from the body
                top = (hand[0] + side * 0.02, dice.uniform(0.02, 0.2))
                self.limb([top, (hand[0], 0.95)], dice.uniform(0.008, 0.02), self.any_color())
        self.limb([shoulder, elbow, hand], dice.uniform(0.045, 0.06), self.cloth)
        self.disc(*hand, 0.026, 0.026, self.skin)

    def strands(self) -> None:
        """Draw loose hairs, a third of a pixel to one pixel thick."""
        for _ in range(int(self.dice.integers(10, 40))):
            turn, reach = self.dice.uniform(-np.pi, 0), self.dice.uniform(0.105, 0.135)
            turns = turn + np.linspace(0, self.dice.uniform(-0.5, 0.5), 6)
            reaches = np.linspace(0.08, reach, 6)
            spine = np.stack([reaches * np.cos(turns), 0.1 + reaches * np.sin(turns)], 1)
            width = int(self.dice.integers(1, 4))
            cv2.polylines(self.canvas, [self.place(spine)], False, self.hair, width)
            cv2.polylines(self.cover, [self.place(spine)], False, 255, width)

    def finished(self) -> Figure:
        """Add folds and light to the whole figure, then average it down by premultiplied coverage."""
        coarse = self.dice.normal(1, 0.06, (9, 7)).astype(np.float32)
        folds = cv2.resize(coarse, (self.cover.shape[1], self.cover.shape[0]), interpolation=cv2.INTER_CUBIC)
        cover = self.cover.astype(np.float32) / 255
        premultiplied = self.canvas * (folds * cover)[..., None]
        size = (WIDTH_PX, HEIGHT_PX)
        alpha = cv2.resize(cover, size, interpolation=cv2.INTER_AREA)
        color = cv2.resize(premultiplied, size, interpolation=cv2.INTER_AREA)
        color = np.clip(color / np.maximum(alpha, 1e-3)[..., None], 0, 255).astype(np.float32)
        feet = None if self.cropped else (self.x * HEIGHT_PX, (self.y + 0.98 * self.tall) * HEIGHT_PX)
        return Figure(np.asarray(color, np.float32), np.asarray(alpha, np.float32), feet)
