"""Map values to pixels, with the ticks that a reader expects."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A scale that maps `low`..`high` to `from_px`..`to_px`, linearly or logarithmically."""

    low: float
    high: float
    from_px: float
    to_px: float
    logarithmic: bool = False

    def px(self, value: float) -> float:
        """Return the pixel of a value. Values beyond the ends are clamped to them."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return self.from_px + (at - low) / (high - low) * (self.to_px - self.from_px)

    def ticks(self) -> list[float]:
        if self.logarithmic:
            return _decades(self.low, self.high)
        step = _round_step((self.high - self.low) / 6)
        first = math.ceil(self.low / step - 1e-9)
        return [number * step for number in range(first, math.floor(self.high / step + 1e-9) + 1)]


def upto(largest: float) -> float:
    """Return an end for an axis that starts at 0: a little above the largest value."""
    return largest * 1.05 if largest > 0 else 1.0


def label(value: float) -> str:
    """Write a value below 1,000 with at most three significant digits, a larger one as a whole number."""
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}"


def _round_step(rough: float) -> float:
    power = 10 ** math.floor(math.log10(rough))
    return float(power * next(nice for nice in (1, 2, 2.5, 5, 10) if nice * power >= rough * 0.999))


def _decades(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    ticks = (factor * 10.0**power for power in powers for factor in factors)
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
