"""Draw arrivals in bursts from a seed: seconds from the start, ascending."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def burst_trace(length_s: float, seed: int = 7) -> list[float]:
    """Return a steady trace with a minute of eight times its rate every ten minutes."""
    return _trace(length_s, [(at, at + 60.0) for at in np.arange(480.0, length_s, 600.0)], seed)


def irregular_trace(length_s: float, seed: int) -> list[float]:
    """Return the same steady trace with random bursts of 20 to 120 s, every ten minutes on average."""
    dice = np.random.default_rng(seed)
    begins = np.cumsum(dice.exponential(600.0, math.ceil(length_s / 100.0)))
    return _trace(length_s, [(at, at + dice.uniform(20.0, 120.0)) for at in begins], seed)


def _trace(length_s: float, loud: Sequence[tuple[float, float]], seed: int) -> list[float]:
    dice = np.random.default_rng(seed)
    times: list[float] = []
    now = 0.0
    while now < length_s:
        is_loud = any(begin <= now < end for begin, end in loud)
        now += float(dice.exponential(1 / (12.0 if is_loud else 1.5)))
        times.append(now)
    return times
