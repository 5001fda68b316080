"""Decide whether a run is valid: a generator that could not keep to its schedule measured itself."""

from __future__ import annotations

from collections.abc import Sequence

from ..traffic.record import Record
from .histogram import Histogram

LEAST_LAG_S = 0.020
SHARE_OF_P50 = 0.05
P99_NEEDS = 459
"""MLPerf's early stopping: a claim about the p99 at 99% confidence needs this many requests; p95 needs 90."""
P95_NEEDS = 90


def faults(measured: Sequence[Record], latency_s: dict[str, float] | None) -> list[str]:
    """Return why these figures are INVALID, or an empty list if they are valid."""
    if not measured:
        return ["no requests in the measured time"]
    lag = Histogram(record.send_lag_s for record in measured).percentiles_s()
    allowed_s = max(LEAST_LAG_S, SHARE_OF_P50 * (latency_s["p50"] if latency_s else 0.0))
    if lag is not None and lag["p99"] > allowed_s:
        return [
            f"the generator lagged: 1% of the requests were sent {1e3 * lag['p99']:.0f} ms late or more, "
            f"over the limit of {1e3 * allowed_s:.0f} ms (the larger of 20 ms and 5% of p50): use a "
            "less busy machine or a lower rate"
        ]
    return []


def warnings(measured: Sequence[Record], ok: int, closed_loop: bool) -> list[str]:
    """List what a reader should know before quoting a figure of this run."""
    warnings = []
    if closed_loop:
        warnings.append(
            "a closed loop sends less while the service is slow: it hides stalls (coordinated omission)"
        )
    for name, needed in (("p95", P95_NEEDS), ("p99", P99_NEEDS)):
        if ok < needed:
            warnings.append(
                f"{ok} responses are too few for a {name}: {needed} are needed for 99% confidence"
            )
            break
    if any(record.backend == "simulated" for record in measured):
        warnings.append(
            "the generators were simulated: no figure here measures how fast pictures are painted"
        )
    if degraded := sum(record.degraded for record in measured):
        warnings.append(f"{degraded} responses were degraded: not painted as requested")
    return warnings
