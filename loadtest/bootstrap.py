"""How sure a difference between two runs is: moving-block bootstrap intervals (Künsch, 1989).

Requests in one queue slow each other, so neighbours are drawn together, in blocks of the square root of their
number; drawing them one by one would call chance a regression.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], float]
ROUNDS = 2_000


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds between which 95% of its resamples lie."""

    estimate: float
    low: float
    high: float


def ratio(first: Values, second: Values, statistic: Statistic, seed: int = 1) -> Interval:
    """Of the second's statistic to the first's. Both in the order in which they were sent, none empty."""
    return _interval(first, second, statistic, lambda a, b: b / a, seed)


def difference(first: Values, second: Values, statistic: Statistic, seed: int = 1) -> Interval:
    """The second's statistic less the first's."""
    return _interval(first, second, statistic, lambda a, b: b - a, seed)


def _interval(
    first: Values, second: Values, statistic: Statistic, between: Callable[[float, float], float], seed: int
) -> Interval:
    dice = np.random.default_rng(seed)
    drawn = [
        between(statistic(_resample(first, dice)), statistic(_resample(second, dice))) for _ in range(ROUNDS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(between(statistic(first), statistic(second)), float(low), float(high))


def _resample(values: Values, dice: np.random.Generator) -> Values:
    count = len(values)
    block = max(1, round(math.sqrt(count)))
    starts = dice.integers(0, count - block + 1, math.ceil(count / block))
    return values[(starts[:, None] + np.arange(block)).ravel()[:count]]
