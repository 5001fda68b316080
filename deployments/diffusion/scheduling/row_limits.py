"""Limit how many rows a forward may hold.

Start at what calibration found to pay, allow less where the device had no room for it, and more again when it
has had room for a while (another process freed its memory).
"""

from __future__ import annotations

from dataclasses import dataclass

from deployments.diffusion.scheduling.batch_key import BatchKey

PATIENCE = 200
"""Full forwards that succeed before twice as many rows are tried again, twice as many after each failure. One
costs a forward: half a per cent of the time at the worst."""


MOST_SHAPES = 256
"""Shapes whose lack of room is remembered, the last ones: callers choose among thousands."""


@dataclass
class _Lowered:
    rows: int
    patience: int = PATIENCE
    succeeded: int = 0


class RowLimits:
    """Row limits by batch key. `cap_rows`: for a picture of area 1.0; areas are given as ratios to it."""

    def __init__(self, cap_rows: int) -> None:
        self._cap_rows = cap_rows
        self._lowered: dict[BatchKey, _Lowered] = {}

    def rows(self, key: BatchKey, area: float) -> int:
        """Return the limit. A larger picture fills the device with fewer rows."""
        calibrated = max(1, min(int(self._cap_rows / area), self._cap_rows))
        lowered = self._lowered.get(key)
        return min(calibrated, lowered.rows) if lowered else calibrated

    def lower(self, key: BatchKey, area: float, failed_rows: int) -> None:
        """Halve the limit for now: the device had no room for so many rows."""
        rows = max(1, min(failed_rows // 2, self.rows(key, area)))
        before = self._lowered.pop(key, None)
        self._lowered[key] = _Lowered(rows, 2 * before.patience if before else PATIENCE)
        if len(self._lowered) > MOST_SHAPES:
            del self._lowered[next(iter(self._lowered))]

    def had(self, key: BatchKey, rows: int) -> None:
        """Record that the device had room for so many rows."""
        lowered = self._lowered.get(key)
        if lowered is None or rows < lowered.rows:
            return
        lowered.succeeded += 1
        if lowered.succeeded >= lowered.patience:
            lowered.rows, lowered.succeeded = 2 * lowered.rows, 0
