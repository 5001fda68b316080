"""Compare two runs, and decide whether the second is worse."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from ..traffic.record import CANCELLED, OK
from .bootstrap import Interval, Values, difference, ratio
from .validity import P95_NEEDS, P99_NEEDS

Verdict = Literal["worse", "better", "same", "undecided"]
OK_TOLERANCE = 0.005
PERCENTILES = {"p50": (50.0, 2), "p95": (95.0, P95_NEEDS), "p99": (99.0, P99_NEEDS)}
"""Each percentile, and how many responses both runs must have before it is judged."""
SAME_TEST = ("arrival", "rate", "users", "duration", "warmup", "mix", "variation", "trace")


@dataclass(frozen=True)
class Figure:
    """One compared figure.

    `first` and `second` are seconds or shares. The interval is of their ratio or difference.
    """

    name: str
    first: float
    second: float
    interval: Interval
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(first: Mapping[str, Any], second: Mapping[str, Any], tolerance: float) -> list[Figure]:
    """Compare two runs.

    A latency is worse if the whole interval of its ratio lies above 1 + `tolerance`.
    """
    latencies = _latencies(first), _latencies(second)
    figures = []
    for name, (percent, needed) in PERCENTILES.items():
        if min(map(len, latencies)) >= needed:
            at = partial(_percentile, percent=percent)
            interval = ratio(*latencies, at)
            verdict = _verdict(interval, 1 - tolerance, 1 + tolerance, rising_is_worse=True)
            figures.append(Figure(name, float(at(latencies[0])), float(at(latencies[1])), interval, verdict))
    shares = _oks(first), _oks(second)
    if min(map(len, shares)):
        interval = difference(*shares, _mean)
        verdict = _verdict(interval, -OK_TOLERANCE, OK_TOLERANCE, rising_is_worse=False)
        figures.append(Figure("ok", float(_mean(shares[0])), float(_mean(shares[1])), interval, verdict))
    return figures


def differing_tests(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """List the settings that should be the same in both runs' configurations but differ."""
    configs = first.get("config", {}), second.get("config", {})
    return [name for name in SAME_TEST if configs[0].get(name) != configs[1].get(name)]


def _verdict(interval: Interval, least: float, most: float, rising_is_worse: bool) -> Verdict:
    if interval.low > most:
        return "worse" if rising_is_worse else "better"
    if interval.high < least:
        return "better" if rising_is_worse else "worse"
    return "same" if least <= interval.low and interval.high <= most else "undecided"


def _latencies(summary: Mapping[str, Any]) -> Values:
    series = summary["series"]
    rows = zip(series["latency_s"], series["code"], series["measured"], strict=True)
    return np.array([latency_s for latency_s, code, measured in rows if measured and code == OK])


def _oks(summary: Mapping[str, Any]) -> Values:
    series = summary["series"]
    rows = zip(series["code"], series["measured"], strict=True)
    return np.array([float(code == OK) for code, measured in rows if measured and code != CANCELLED])


def _percentile(values: Values, percent: float) -> Values:
    """Return the percentile by nearest rank."""
    rank = min(values.shape[-1] - 1, int(values.shape[-1] * percent / 100))
    return np.partition(values, rank, axis=-1)[..., rank]


def _mean(values: Values) -> Values:
    return np.asarray(values.mean(axis=-1))
