"""Draw when to send requests: seconds after the start, all drawn before the run, from a seed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Gaps = Callable[[int], NDArray[np.float64]]
MAX_ARRIVALS = 5_000_000


class ArrivalsError(ValueError):
    """The arrivals cannot be drawn or read. The message can be shown to the user."""


def poisson(rate_rps: float, duration_s: float, seed: int) -> list[float]:
    """Draw the arrivals of independent users: exponential gaps of mean 1 / rate."""
    dice = np.random.default_rng(seed)
    return _renewal(lambda count: dice.exponential(1 / rate_rps, count), rate_rps, duration_s)


def gamma(rate_rps: float, duration_s: float, seed: int, variation: float) -> list[float]:
    """Draw gamma gaps of mean 1 / rate; `variation` is their standard deviation divided by their mean.

    A variation of 1 is Poisson. Above 1 arrivals come in bursts, and below 1 more evenly.
    """
    dice = np.random.default_rng(seed)
    shape = 1 / variation**2
    scale = variation**2 / rate_rps
    return _renewal(lambda count: dice.gamma(shape, scale, count), rate_rps, duration_s)


def constant(rate_rps: float, duration_s: float) -> list[float]:
    """Return one arrival every 1 / rate seconds, the first at 0."""
    _check_count(rate_rps, duration_s)
    return [number / rate_rps for number in range(math.ceil(rate_rps * duration_s - 1e-9))]


def trace(file: Path, duration_s: float | None = None) -> list[float]:
    """Read the times in `file`: seconds, one per line, ascending; text after a # is a comment.

    With `duration_s`, return only those before it. Raises ArrivalsError naming the line.
    """
    times: list[float] = []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ArrivalsError(f"the trace {file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        written = line.partition("#")[0].strip()
        if not written:
            continue
        try:
            at_s = float(written)
        except ValueError:
            raise ArrivalsError(f"{file} line {number}: {written!r} is not a number of seconds") from None
        if not math.isfinite(at_s) or at_s < (times[-1] if times else 0):
            raise ArrivalsError(f"{file} line {number}: times must be at least 0, and must not decrease")
        times.append(at_s)
    if not times:
        raise ArrivalsError(f"{file} contains no times")
    return [at_s for at_s in times if duration_s is None or at_s < duration_s]


def _renewal(gaps: Gaps, rate_rps: float, duration_s: float) -> list[float]:
    _check_count(rate_rps, duration_s)
    batch = max(16, math.ceil(rate_rps * duration_s))
    times: NDArray[np.float64] = np.empty(0)
    while not len(times) or times[-1] < duration_s:
        last = times[-1] if len(times) else 0.0
        times = np.concatenate([times, last + np.cumsum(gaps(batch))])
    return [float(at_s) for at_s in times[times < duration_s]]


def _check_count(rate_rps: float, duration_s: float) -> None:
    if rate_rps * duration_s > MAX_ARRIVALS:
        raise ArrivalsError(f"more than {MAX_ARRIVALS:,} requests: lower the rate or the duration")
