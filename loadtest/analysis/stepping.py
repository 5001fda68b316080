"""Measure how soon the service follows a step in the load: replicas planned, running, latency recovered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..traffic.record import CANCELLED, OK
from .histogram import Histogram

SLICE_S = 5.0
SLACK = 1.5


@dataclass(frozen=True)
class Step:
    """The load rises at `rises_s` and falls at `falls_s`, in seconds after the run's start."""

    rises_s: float
    falls_s: float
    ends_s: float


def analyse(
    step: Step,
    warmup_s: float,
    series: Mapping[str, Sequence[Any]],
    replicas: Sequence[Mapping[str, Any]],
    bound_s: float | None,
) -> dict[str, Any]:
    """Return the times in seconds after the rise; None if it never happened or no replicas were reported.

    Latency has recovered when no later slice of 5 s has an error or a p95 over the bound. The bound is
    `bound_s`, or 1.5 times the p95 before the rise.
    """
    phases = {
        "before": _phase(series, warmup_s, step.rises_s),
        "high": _phase(series, step.rises_s, step.falls_s),
        "after": _phase(series, step.falls_s, step.ends_s),
    }
    before = phases["before"]["latency_s"]
    bound_s = bound_s or (SLACK * before["p95"] if before else None)
    return {
        "phases": phases,
        "bound_s": bound_s,
        "time_to_decision_s": _time_to_decision(step, replicas),
        "time_to_replicas_s": _time_to_replicas(step, replicas),
        "time_to_recovery_s": None if bound_s is None else _time_to_recovery(step, series, bound_s),
    }


def _phase(series: Mapping[str, Sequence[Any]], from_s: float, to_s: float) -> dict[str, Any]:
    chosen = [
        (latency_s, code)
        for at_s, latency_s, code in zip(
            series["intended_s"], series["latency_s"], series["code"], strict=True
        )
        if from_s <= at_s < to_s
    ]
    return {
        "requests": len(chosen),
        "offered_rps": len(chosen) / (to_s - from_s) if to_s > from_s else 0.0,
        "failed": sum(code not in (OK, CANCELLED) for _, code in chosen),
        "latency_s": Histogram(latency_s for latency_s, code in chosen if code == OK).percentiles_s(),
    }


def _time_to_decision(step: Step, replicas: Sequence[Mapping[str, Any]]) -> float | None:
    planned = [
        (seen["at_s"], sum(seen["replicas"].values()) + sum(seen["starting"].values())) for seen in replicas
    ]
    return _first_rise(step, planned)


def _time_to_replicas(step: Step, replicas: Sequence[Mapping[str, Any]]) -> float | None:
    """Return the seconds until as many replicas ran as ever did while the load was high."""
    running = [(seen["at_s"], sum(seen["replicas"].values())) for seen in replicas]
    base = max((count for at_s, count in running if at_s < step.rises_s), default=0)
    most = max((count for at_s, count in running if step.rises_s <= at_s < step.falls_s), default=0)
    return _first_rise(step, running, most) if most > base else None


def _first_rise(step: Step, counts: Sequence[tuple[float, int]], to: int | None = None) -> float | None:
    least = max((count for at_s, count in counts if at_s < step.rises_s), default=0) + 1 if to is None else to
    later = (at_s - step.rises_s for at_s, count in counts if at_s >= step.rises_s and count >= least)
    return next(later, None)


def _time_to_recovery(step: Step, series: Mapping[str, Sequence[Any]], bound_s: float) -> float | None:
    recovered_s = step.rises_s
    from_s = step.rises_s
    while from_s < step.falls_s:
        to_s = min(from_s + SLICE_S, step.falls_s)
        phase = _phase(series, from_s, to_s)
        latency_s = phase["latency_s"]
        if phase["failed"] or (latency_s and latency_s["p95"] > bound_s):
            recovered_s = to_s
        from_s = to_s
    return recovered_s - step.rises_s if recovered_s < step.falls_s else None
