"""Find how many rows a forward should hold: as many as still make it more efficient, by trying."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployments.errors import OutOfMemory

LEAST_GAIN = 0.05
"""In rows a second, for twice the rows. Below it a larger batch only makes its members wait."""


@dataclass(frozen=True)
class Calibration:
    """The best row count. `seconds`: what a forward took, by its rows, for those that were tried."""

    cap_rows: int
    seconds: dict[int, float]


def calibrate(measure: Callable[[int], float], max_rows: int, budget_s: float) -> Calibration:
    """Double the rows while that pays, there is room, and the budget of seconds is not spent.

    `measure` gives the seconds of a forward over so many rows; the budget is of those seconds, and of what
    the next is expected to take at the most. Raises OutOfMemory where not even one row fits.
    """
    seconds = {1: measure(1)}
    cap = 1
    while 2 * cap <= max_rows and sum(seconds.values()) + 2 * seconds[cap] < budget_s:
        try:
            seconds[2 * cap] = measure(2 * cap)
        except OutOfMemory:
            break
        if 2 * seconds[cap] < (1 + LEAST_GAIN) * seconds[2 * cap]:
            break
        cap *= 2
    # A guided picture has two rows, and those of one picture are never parted.
    return Calibration(max(cap, min(2, max_rows)), seconds)
