"""Draw figures to tune on: plain people in shirts, dresses, coats and hats, many of one flat colour."""

from __future__ import annotations

import numpy as np

from tests.support.known_alpha.figure import Color, Figure
from tests.support.known_alpha.pen import Pen


def draw(dice: np.random.Generator, cloth: Color | None) -> Figure:
    """Draw a full figure three times in four, else one cropped below. `cloth` colours what it wears."""
    cropped = bool(dice.random() < 0.25)
    tall = dice.uniform(1.2, 1.9) if cropped else dice.uniform(0.6, 0.9)
    top = dice.uniform(0.05, 0.14) if cropped else dice.uniform(0.05, 0.95 - tall)
    outline = int(dice.integers(3, 9)) if dice.random() < 0.5 else 0
    pen = Pen(dice, tall, top, outline)
    _dress(pen, cloth)
    return pen.figure(None if cropped else (0.0, 0.985))


def _dress(pen: Pen, cloth: Color | None) -> None:
    dice = pen.dice
    shirt, legs, shoes, hair, hat = (_any(dice) for _ in range(5))
    alike = set()
    if cloth is not None:
        worn = dice.choice(
            ["shirt", "legs", "shoes", "hair", "hat"], 2, p=[0.5, 0.15, 0.1, 0.15, 0.1], replace=False
        )
        alike = {str(name) for name in worn[: int(dice.integers(1, 3))]} | {"shirt"}
    shirt, legs, shoes, hair, hat = (
        cloth if name in alike and cloth is not None else color
        for name, color in zip(
            ("shirt", "legs", "shoes", "hair", "hat"), (shirt, legs, shoes, hair, hat), strict=True
        )
    )
    skin = _skin(dice)
    wide, gown = dice.uniform(0.075, 0.11), dice.random() < 0.3
    head, chin = dice.uniform(0.075, 0.1), dice.uniform(0.18, 0.22)
    if dice.random() < 0.5:  # long hair behind the shoulders
        pen.oval(0, chin - head * 0.8, head * 1.2, head * dice.uniform(1.2, 1.9), hair)
    spread = dice.uniform(0.035, 0.06)
    for side in (-1, 1):
        pen.limb([(side * spread, 0.43), (side * (spread + dice.uniform(0, 0.03)), 0.95)], 0.055, legs)
        pen.oval(side * (spread + 0.02), 0.965, 0.045, 0.022, shoes)
    for side in (-1, 1):
        _arm(pen, side, wide, shirt, skin)
    hem = dice.uniform(0.7, 0.93) if gown else dice.uniform(0.45, 0.56)
    if gown:
        flare = wide * dice.uniform(1.0, 1.9)
        pen.shape([(-wide, chin + 0.02), (wide, chin + 0.02), (flare, hem), (-flare, hem)], shirt)
    else:
        pen.box(-wide, chin + 0.01, wide, hem, shirt, 0.025)
    if dice.random() < 0.6:
        kept, pen.outline = pen.outline, 0
        for row in range(int(dice.integers(1, 4))):
            pen.limb(
                [(-wide * 0.9, chin + 0.08 + 0.035 * row), (wide * 0.9, chin + 0.08 + 0.035 * row)],
                0.01,
                _any(dice),
            )
        pen.outline = kept
    pen.limb([(0, chin - 0.03), (0, chin + 0.03)], 0.045, skin)
    pen.oval(0, chin - head, head, head * 1.05, skin)
    pen.oval(0, chin - head, head * 1.03, head * 1.07, hair, (1.0, 2.0))
    if dice.random() < 0.75:
        pen.hairs(0, chin - head, head, head * 1.7, hair, 3.0)
    if dice.random() < 0.3:
        pen.oval(0, chin - 2 * head, head * dice.uniform(0.8, 1.5), head * 0.25, hat)
    for side in (-1, 1):
        pen.oval(side * head * 0.4, chin - head * 0.9, head * 0.13, head * 0.2, (250, 250, 250))
        pen.oval(side * head * 0.4, chin - head * 0.88, head * 0.06, head * 0.12, (20, 20, 30))
    pen.oval(0, chin - head * 0.55, head * 0.3, head * 0.05, (150, 40, 50))


def _arm(pen: Pen, side: int, wide: float, sleeve: Color, skin: Color) -> None:
    dice = pen.dice
    shoulder = (side * wide * 0.9, 0.24)
    match int(dice.integers(4)):
        case 0:  # on the hip, with a gap to see through
            joints = [shoulder, (side * dice.uniform(0.17, 0.21), 0.35), (side * wide * 0.95, 0.44)]
        case 1:  # raised
            joints = [
                shoulder,
                (side * dice.uniform(0.14, 0.19), 0.3),
                (side * dice.uniform(0.17, 0.23), 0.16),
            ]
        case 2:
            joints = [shoulder, (side * (wide + 0.03), 0.37), (side * (wide + dice.uniform(0.02, 0.06)), 0.5)]
        case _:  # holding a lantern by its handle
            joints = [shoulder, (side * 0.16, 0.34), (side * 0.2, 0.4)]
            x, y = joints[-1]
            kept, pen.outline = pen.outline, 0
            turn = np.linspace(0, 2 * np.pi, 40)
            pen.limb(
                np.stack([x + 0.025 * np.cos(turn), y + 0.035 + 0.035 * np.sin(turn)], 1), 0.007, _any(dice)
            )
            pen.outline = kept
            pen.box(x - 0.03, y + 0.065, x + 0.03, y + 0.14, _any(dice), 0.01)
    pen.limb(joints, dice.uniform(0.035, 0.055), sleeve)
    pen.oval(*joints[-1], 0.024, 0.024, skin)


def _any(dice: np.random.Generator) -> Color:
    return tuple(int(c) for c in dice.integers(10, 250, 3))  # type: ignore[return-value]


def _skin(dice: np.random.Generator) -> Color:
    if dice.random() < 0.15:
        return _any(dice)
    dark = dice.uniform(0.35, 1.0)
    return int(252 * dark), int(214 * dark), int(188 * dark)
