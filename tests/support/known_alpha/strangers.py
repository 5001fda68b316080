"""Draw figures to report on, never to tune on: robots, bears, cone-shaped wizards, queens in wide gowns."""

from __future__ import annotations

import numpy as np

from tests.support.known_alpha.figure import Color, Figure
from tests.support.known_alpha.pen import Pen


def draw(dice: np.random.Generator, cloth: Color | None) -> Figure:
    """Draw a full figure four times in five, else one cropped below. `cloth` colours its largest part."""
    cropped = bool(dice.random() < 0.2)
    tall = dice.uniform(1.1, 1.7) if cropped else dice.uniform(0.62, 0.88)
    top = dice.uniform(0.06, 0.16) if cropped else dice.uniform(0.06, 0.94 - tall)
    pen = Pen(dice, tall, top, int(dice.integers(2, 8)) if dice.random() < 0.5 else 0)
    (_robot, _bear, _wizard, _queen)[int(dice.integers(4))](pen, cloth)
    return pen.figure(None if cropped else (0.0, 0.98), folds=0.02)


def _robot(pen: Pen, cloth: Color | None) -> None:
    dice, steel, joint = pen.dice, cloth or _any(pen.dice), _any(pen.dice)
    for side in (-1, 1):
        pen.box(side * 0.07 - 0.028, 0.62, side * 0.07 + 0.028, 0.93, joint, 0.01)
        pen.box(
            side * 0.07 - 0.05,
            0.92,
            side * 0.07 + 0.05,
            0.985,
            steel if dice.random() < 0.5 else joint,
            0.015,
        )
        reach = dice.uniform(0.19, 0.24)
        pen.limb(
            [(side * 0.13, 0.32), (side * reach, dice.uniform(0.3, 0.45)), (side * 0.17, 0.56)], 0.04, joint
        )
        pen.oval(side * 0.17, 0.57, 0.03, 0.035, steel)
    pen.box(-0.13, 0.28, 0.13, 0.65, steel, 0.02)
    pen.box(-0.07, 0.36, 0.07, 0.46, _any(dice), 0.01)
    pen.box(-0.03, 0.22, 0.03, 0.3, joint)
    pen.box(-0.1, 0.06, 0.1, 0.23, steel, 0.03)
    pen.limb([(0, 0.06), (0.01, 0.0)], 0.008, joint)
    for side in (-1, 1):
        pen.oval(side * 0.045, 0.13, 0.022, 0.022, (255, 250, 210))
        pen.oval(side * 0.045, 0.13, 0.01, 0.01, (10, 10, 10))


def _bear(pen: Pen, cloth: Color | None) -> None:
    dice, fur = pen.dice, _any(pen.dice)
    coat = cloth or _any(dice)
    for side in (-1, 1):
        pen.oval(side * 0.09, 0.04, 0.04, 0.04, fur)
        pen.limb([(side * 0.08, 0.7), (side * 0.09, 0.95)], 0.1, fur)
        pen.oval(side * 0.1, 0.965, 0.065, 0.025, fur)
        raised = dice.random() < 0.5
        hand = (side * 0.25, 0.26) if raised else (side * 0.14, 0.62)
        pen.limb([(side * 0.11, 0.38), (side * 0.24, 0.42), hand], 0.07, coat)
        pen.oval(*hand, 0.04, 0.04, fur)
    pen.oval(0, 0.56, 0.16, 0.24, coat)
    pen.oval(0, 0.17, 0.14, 0.15, fur)
    pen.oval(0, 0.22, 0.06, 0.045, (225, 200, 170))
    for side in (-1, 1):
        pen.oval(side * 0.055, 0.14, 0.014, 0.018, (15, 12, 12))
    pen.hairs(0, 0.17, 0.14, 0.19, fur, 2.0)


def _wizard(pen: Pen, cloth: Color | None) -> None:
    dice, robe, hair = pen.dice, cloth or _any(pen.dice), (235, 235, 232)
    pen.limb([(0.22, dice.uniform(0.1, 0.25)), (0.2, 0.96)], dice.uniform(0.01, 0.02), _any(dice))
    for side in (-1, 1):
        pen.oval(side * 0.07, 0.965, 0.06, 0.022, _any(dice))
    pen.shape([(-0.06, 0.3), (0.06, 0.3), (0.17, 0.94), (0.05, 0.96), (-0.06, 0.96), (-0.17, 0.94)], robe)
    pen.limb([(-0.05, 0.36), (-0.15, 0.5), (-0.05, 0.56)], 0.06, robe)
    pen.limb([(0.05, 0.36), (0.14, 0.46), (0.205, 0.44)], 0.06, robe)
    for x, y in ((-0.05, 0.56), (0.205, 0.44)):
        pen.oval(x, y, 0.025, 0.025, _skin(dice))
    pen.oval(0, 0.24, 0.075, 0.085, _skin(dice))
    pen.shape([(-0.07, 0.26), (0.07, 0.26), (0.03, 0.4), (0, 0.48), (-0.03, 0.4)], hair)
    pen.shape(
        [(-0.12, 0.2), (0.12, 0.2), (0.05, 0.13), (dice.uniform(-0.08, 0.08), 0.0), (-0.05, 0.13)], robe
    )
    for side in (-1, 1):
        pen.oval(side * 0.03, 0.235, 0.008, 0.013, (20, 20, 25))


def _queen(pen: Pen, cloth: Color | None) -> None:
    dice, gown, hair = pen.dice, cloth or _any(pen.dice), _any(pen.dice)
    if dice.random() < 0.3 and cloth is not None:
        hair = cloth
    pen.oval(0, 0.19, 0.11, dice.uniform(0.14, 0.24), hair)
    turn = np.linspace(0, np.pi, 20)
    swing = np.stack([0.21 * np.cos(turn), 0.97 - 0.5 * np.sin(turn) ** 0.7], 1)
    pen.shape(np.concatenate([swing, [(-0.21, 0.98), (0.21, 0.98)]]), gown)
    for side in (-1, 1):
        pen.limb([(side * 0.06, 0.31), (side * dice.uniform(0.15, 0.2), 0.4), (side * 0.07, 0.5)], 0.04, gown)
        pen.oval(side * 0.07, 0.5, 0.022, 0.022, _skin(dice))
    pen.shape([(-0.075, 0.28), (0.075, 0.28), (0.06, 0.5), (-0.06, 0.5)], gown)
    pen.limb([(-0.06, 0.5), (0.06, 0.5)], 0.015, _any(dice))
    pen.limb([(0, 0.24), (0, 0.3)], 0.04, _skin(dice))
    pen.oval(0, 0.17, 0.075, 0.09, _skin(dice))
    pen.shape(
        [(-0.06, 0.09), (-0.07, 0.02), (-0.03, 0.06), (0, 0.01), (0.03, 0.06), (0.07, 0.02), (0.06, 0.09)],
        _any(dice),
    )
    pen.hairs(0, 0.16, 0.1, 0.15, hair, 1.5)
    for side in (-1, 1):
        pen.oval(side * 0.03, 0.165, 0.009, 0.014, (25, 20, 25))


def _any(dice: np.random.Generator) -> Color:
    return tuple(int(c) for c in dice.integers(10, 250, 3))  # type: ignore[return-value]


def _skin(dice: np.random.Generator) -> Color:
    dark = dice.uniform(0.4, 1.0)
    return int(250 * dark), int(212 * dark), int(186 * dark)
