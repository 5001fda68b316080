"""Percentiles by HdrHistogram: three significant digits from a microsecond to an hour."""

from __future__ import annotations

from collections.abc import Iterable

from hdrh.histogram import HdrHistogram

LONGEST_US = 3_600_000_000
PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}


class Histogram:
    def __init__(self, values_s: Iterable[float] = ()) -> None:
        self._histogram = HdrHistogram(1, LONGEST_US, 3)
        for value_s in values_s:
            self.add(value_s)

    def add(self, value_s: float) -> None:
        """Kept within a microsecond and an hour."""
        self._histogram.record_value(min(max(1, round(value_s * 1e6)), LONGEST_US))

    def percentiles_s(self) -> dict[str, float] | None:
        """p50, p90, p95, p99, p999, max and mean in seconds; None where nothing was added."""
        if not self._histogram.total_count:
            return None
        found = self._histogram.get_percentile_to_value_dict(list(PERCENTILES.values()))
        largest = self._histogram.max_value  # Exact; the others are the ends of their buckets.
        named = {name: min(found[at], largest) / 1e6 for name, at in PERCENTILES.items()}
        return {**named, "max": largest / 1e6, "mean": self._histogram.get_mean_value() / 1e6}

    def encoded(self) -> str:
        """HdrHistogram's own V2 form, microseconds, which its tools of any language read."""
        return str(self._histogram.encode().decode("ascii"))
