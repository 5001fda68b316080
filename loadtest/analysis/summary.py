"""Summarise a run's records as one JSON document: figures, their validity, and the series behind them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..traffic.record import CANCELLED, Record
from . import validity
from .histogram import Histogram
from .slo import Slo


@dataclass(frozen=True)
class Window:
    """The measured window after the warm-up. It holds the requests whose intended time lies in it."""

    warmup_s: float
    duration_s: float

    @property
    def end_s(self) -> float:
        return self.warmup_s + self.duration_s

    def holds(self, at_s: float) -> bool:
        return self.warmup_s <= at_s < self.end_s


def summarise(
    records: Iterable[Record], window: Window, slo: Slo | None = None, closed_loop: bool = False
) -> dict[str, Any]:
    """Summarise a run.

    Latencies are those of good responses, from the intended send time. A cancelled request is neither good
    nor failed.

    Throughput counts the good responses that ended inside the window, whenever they were sent. Goodput counts
    those of them within the SLO's latency bound, or all of them if it has none.
    """
    everything = sorted(records, key=lambda record: record.intended_s)
    measured = [record for record in everything if window.holds(record.intended_s)]
    ended = [record for record in everything if window.holds(record.done_s) and record.ok]
    bound_s = slo.latency_bound_s if slo else None
    good = [record for record in ended if bound_s is None or record.latency_s <= bound_s]
    figures = _figures(measured)
    lag = Histogram(record.send_lag_s for record in measured).percentiles_s()
    faults = validity.faults(measured, figures["latency_s"])
    summary: dict[str, Any] = {
        **figures,
        "valid": not faults,
        "invalid_because": faults,
        "warnings": validity.warnings(measured, figures["ok"], closed_loop),
        "offered_rps": len(measured) / window.duration_s,
        "throughput_rps": len(ended) / window.duration_s,
        "goodput_rps": len(good) / window.duration_s,
        "first_byte_s": _first_bytes(measured),
        "send_lag_s": lag or {},
        "stages_s": _stages(measured),
        "routes": _grouped(measured, lambda record: f"POST {record.route}"),
        "entries": _grouped(measured, lambda record: record.entry),
        "histogram": Histogram(record.latency_s for record in measured if record.ok).encoded(),
        "series": _series(everything, window),
    }
    if slo is not None:
        summary["slo"] = slo.verdict(summary)
    return summary


def _figures(records: Sequence[Record]) -> dict[str, Any]:
    return {
        "requests": len(records),
        "ok": sum(record.ok for record in records),
        "cancelled": sum(record.code == CANCELLED for record in records),
        "errors": dict(Counter(record.code for record in records if record.failed).most_common()),
        "latency_s": Histogram(record.latency_s for record in records if record.ok).percentiles_s(),
    }


def _grouped(records: Iterable[Record], key: Callable[[Record], str]) -> dict[str, Any]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return {name: _figures(group) for name, group in sorted(groups.items())}


def _first_bytes(records: Iterable[Record]) -> dict[str, float] | None:
    return Histogram(
        record.first_byte_s - record.intended_s
        for record in records
        if record.ok and record.first_byte_s is not None
    ).percentiles_s()


def _stages(records: Iterable[Record]) -> dict[str, Any]:
    """Return the percentiles of each stage that the service reports in Server-Timing."""
    stages: dict[str, Histogram] = {}
    for record in records:
        for name, took_s in record.stages_s.items() if record.ok else ():
            stages.setdefault(name, Histogram()).add(took_s)
    return {name: histogram.percentiles_s() for name, histogram in stages.items()}


def _series(records: Sequence[Record], window: Window) -> dict[str, list[Any]]:
    """Return every request in order of intended time, including the warm-up's, for plots and intervals."""
    return {
        "intended_s": [round(record.intended_s, 4) for record in records],
        "latency_s": [round(record.latency_s, 5) for record in records],
        "code": [record.code for record in records],
        "measured": [window.holds(record.intended_s) for record in records],
    }
