"""Find the highest rate that meets an objective: double until it fails, halve in between, then confirm."""

from __future__ import annotations

import math
from collections.abc import Callable

Probe = Callable[[float, bool], bool]
"""(rate, whether this confirms) -> whether the objective was met."""
MAX_CONFIRMATIONS = 6
MAX_HALVINGS = 4


def highest(probe: Probe, start_rps: float, most_rps: float, precision: float) -> float | None:
    """Return the rate within `precision` (0.05 is 5%), or None if not even the lowest rate tried holds.

    A search favours lucky probes, so the rate that it finds is run again, for longer, and lowered by
    `precision` until it holds. This is MLPerf's rule for its Server scenario.
    """
    met = _lowest_that_holds(probe, start_rps)
    if met is None:
        return None
    failed = math.inf
    while failed / met > 1 + precision:
        between = met * 2 if math.isinf(failed) else math.sqrt(met * failed)
        rate = min(between, most_rps)
        if rate <= met:
            break
        if probe(rate, False):
            met = rate
        else:
            failed = rate
    for _ in range(MAX_CONFIRMATIONS):
        if probe(met, True):
            return met
        met *= 1 - precision
    return None


def _lowest_that_holds(probe: Probe, start_rps: float) -> float | None:
    rate = start_rps
    for _ in range(MAX_HALVINGS + 1):
        if probe(rate, False):
            return rate
        rate /= 2
    return None
