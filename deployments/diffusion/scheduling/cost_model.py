"""Predict the seconds of a forward, by shape and rows, and limit how many rows it may hold.

Seconds come from calibration, and are corrected by later measurements. The row limit starts at what
calibration found efficient. It falls if the device has no room for that many rows, and rises again after the
device has had room for a while (another process may have freed its memory).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from deployments.diffusion.scheduling.batch_key import BatchKey

SEEN = 9
"""Measurements remembered for each shape: few enough to follow a change, enough to outvote a stray one."""
MOST_SHAPES = 256
"""The most shapes whose measurements or lowered limits are remembered: callers choose among thousands."""
UNSEEN = 0.5
"""Lower bound of the seconds at a size that was never painted, as a share of what its area suggests."""
PATIENCE = 200
"""Full forwards that must succeed before twice the rows are tried again, and twice as many after each failed
try. A try costs one forward: half a per cent of the time at worst."""


@dataclass
class _Seen:
    """Ratios of measured to expected seconds."""

    recent: deque[float] = field(default_factory=lambda: deque(maxlen=SEEN))
    best: float = float("inf")


class CostModel:
    """Predicted seconds of forwards. `seconds` are by rows, at the size `native`, with at least one entry."""

    def __init__(self, native: BatchKey, seconds: Mapping[int, float]) -> None:
        self._native = native
        self._points = sorted(seconds.items())
        self._seen: dict[BatchKey, _Seen] = {}

    def observe(self, key: BatchKey, forwards: Sequence[int], seconds: float) -> None:
        """Record the seconds of a step, given the rows of each of its forwards."""
        expected_s = sum(self._expected_s(key, rows) for rows in forwards)
        if expected_s > 0:
            seen = self._seen.pop(key) if key in self._seen else _Seen()
            self._seen[key] = seen
            if len(self._seen) > MOST_SHAPES:
                del self._seen[next(iter(self._seen))]
            seen.recent.append(seconds / expected_s)
            seen.best = min(seen.best, seconds / expected_s)

    def forward_s(self, key: BatchKey, rows: int) -> float:
        """Predict the seconds of the next forward."""
        seen = self._seen.get(key)
        return self._expected_s(key, rows) * (median(seen.recent) if seen else 1.0)

    def step_s(self, key: BatchKey, forwards: Sequence[int]) -> float:
        """Predict the seconds of the next step, given the rows of each of its forwards."""
        return sum(self.forward_s(key, rows) for rows in forwards)

    def best_s(self, key: BatchKey, rows: int) -> float:
        """Return the least seconds of a forward, when nothing disturbs it."""
        seen = self._seen.get(key)
        unseen = 1.0 if key == self._native else UNSEEN
        return self._expected_s(key, rows) * (min(unseen, seen.best) if seen else unseen)

    @property
    def least_megapixel_step_s(self) -> float:
        """Return the least seconds of a megapixel-step of any picture, alone and undisturbed."""
        native = self._native
        return UNSEEN * self.best_s(native, 1) / (native.width_px * native.height_px / 1e6)

    def area_ratio(self, key: BatchKey) -> float:
        return key.width_px * key.height_px / (self._native.width_px * self._native.height_px)

    def _expected_s(self, key: BatchKey, rows: int) -> float:
        return self._native_s(rows) * self.area_ratio(key)

    def _native_s(self, rows: int) -> float:
        """Interpolate linearly between measured row counts. Beyond the last, use its seconds per row."""
        below = above = self._points[0]
        for point in self._points:
            if point[0] <= rows:
                below = above = point
            else:
                above = point
                break
        if rows > below[0] == above[0]:
            return below[1] * rows / below[0]
        if below[0] == above[0]:
            return below[1]
        part = (rows - below[0]) / (above[0] - below[0])
        return below[1] + part * (above[1] - below[1])


@dataclass
class _Lowered:
    rows: int
    patience: int = PATIENCE
    succeeded: int = 0


class RowLimits:
    """Row limits by batch key. `cap_rows` is the limit at area 1.0. Other areas are ratios to that one."""

    def __init__(self, cap_rows: int) -> None:
        self._cap_rows = cap_rows
        self._lowered: dict[BatchKey, _Lowered] = {}

    def rows(self, key: BatchKey, area: float) -> int:
        """Return the limit. A larger picture fills the device with fewer rows."""
        calibrated = max(1, min(int(self._cap_rows / area), self._cap_rows))
        lowered = self._lowered.get(key)
        return min(calibrated, lowered.rows) if lowered else calibrated

    def lower(self, key: BatchKey, area: float, failed_rows: int) -> None:
        """Halve the limit for now, since the device had no room for `failed_rows` rows."""
        rows = max(1, min(failed_rows // 2, self.rows(key, area)))
        before = self._lowered.pop(key, None)
        self._lowered[key] = _Lowered(rows, 2 * before.patience if before else PATIENCE)
        if len(self._lowered) > MOST_SHAPES:
            del self._lowered[next(iter(self._lowered))]

    def had(self, key: BatchKey, rows: int) -> None:
        """Record that the device had room for this many rows."""
        lowered = self._lowered.get(key)
        if lowered is None or rows < lowered.rows:
            return
        lowered.succeeded += 1
        if lowered.succeeded >= lowered.patience:
            lowered.rows, lowered.succeeded = 2 * lowered.rows, 0
