"""Estimate how certain a difference between two runs is: moving-block bootstrap intervals (Künsch, 1989).

Requests in one queue slow each other, so neighbours are drawn together, in blocks as long as the square root
of the number of requests. Drawing them one by one would report chance as a regression.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Statistic = Callable[[Values], Values]
"""A statistic over the last axis, so that many resamples are computed at once."""
ROUNDS = 2_000
AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate, and the bounds between which 95% of its resamples lie."""

    estimate: float
    low: float
    high: float


def ratio(first: Values, second: Values, statistic: Statistic, seed: int = 1) -> Interval:
    """Return the second's statistic divided by the first's.

    The values of both must be in the order in which the requests were sent, and not empty.
    """
    dice = np.random.default_rng(seed)
    drawn = _resampled(second, statistic, dice) / _resampled(first, statistic, dice)
    return _interval(float(statistic(second) / statistic(first)), drawn)


def difference(first: Values, second: Values, statistic: Statistic, seed: int = 1) -> Interval:
    """Return the second's statistic minus the first's."""
    dice = np.random.default_rng(seed)
    drawn = _resampled(second, statistic, dice) - _resampled(first, statistic, dice)
    return _interval(float(statistic(second) - statistic(first)), drawn)


def _interval(estimate: float, drawn: Values) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(estimate, float(low), float(high))


def _resampled(values: Values, statistic: Statistic, dice: np.random.Generator) -> Values:
    """Return the statistic of each round's resample."""
    count = len(values)
    block = max(1, round(math.sqrt(count)))
    rounds = max(1, min(ROUNDS, AT_ONCE // count))
    parts = []
    for _ in range(math.ceil(ROUNDS / rounds)):
        starts = dice.integers(0, count - block + 1, (rounds, math.ceil(count / block), 1))
        drawn = values[(starts + np.arange(block)).reshape(rounds, -1)[:, :count]]
        parts.append(statistic(drawn))
    return np.concatenate(parts)
