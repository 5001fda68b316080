"""Compute percentiles with HdrHistogram: three significant digits from a microsecond to an hour."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hdrh.histogram import HdrHistogram

LONGEST_US = 3_600_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


class Histogram:
    def __init__(self, values_s: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(1, LONGEST_US, 3)
        self._sum_us = 0
        for value_s in values_s:
            self.add(value_s)

    def add(self, value_s: float) -> None:
        """Add a latency, clamped to between a microsecond and an hour."""
        value_us = min(max(1, round(value_s * 1e6)), LONGEST_US)
        self._histogram.record_value(value_us)
        self._sum_us += value_us

    def percentiles_s(self) -> dict[str, float] | None:
        """Return p50, p90, p95, p99, p999, max and mean in seconds, or None if nothing was added."""
        count = self._histogram.total_count
        if not count:
            return None
        # The package's own iterators visit each of 25,000 buckets in Python, for every histogram.
        cumulated = np.cumsum(np.ctypeslib.as_array(self._histogram.counts))
        named = {name: self._at(percent, cumulated) / 1e6 for name, percent in PERCENTILES.items()}
        # The largest is exact; the others are the ends of their buckets.
        return {**named, "max": self._histogram.max_value / 1e6, "mean": self._sum_us / count / 1e6}

    def encoded(self) -> str:
        """Return HdrHistogram's own V2 encoding, in microseconds, which its tools in any language read."""
        return str(self._histogram.encode().decode("ascii"))

    def _at(self, percent: float, cumulated: np.typing.NDArray[np.int64]) -> int:
        target = self._histogram.get_target_count_at_percentile(percent)
        index = int(np.searchsorted(cumulated, target))
        value = self._histogram.get_value_from_index(index)
        return int(min(self._histogram.get_highest_equivalent_value(value), self._histogram.max_value))
