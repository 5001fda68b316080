"""Plot the latency of requests: over time, as a distribution, and by percentile.

A plot is None if there is nothing to show.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..traffic.record import CANCELLED, OK
from .frame import Frame, Point
from .scales import upto

Series = Mapping[str, Sequence[Any]]
MANY_DOTS = 4_000
LEAST_S = 1e-3
BINS = 40


def latency_over_time(series: Series, faults: Sequence[Mapping[str, Any]]) -> str | None:
    """Plot each request at its intended time; logarithmic if one slow response would flatten all others."""
    good, cancelled, failed = _points(series)
    everything = [*good, *cancelled, *failed]
    if not everything:
        return None
    heights = [y for _, y in everything]
    wide = max(heights) > 20 * float(np.median(heights))
    y = (max(LEAST_S, min(heights) / 1.2), max(heights) * 1.2) if wide else (0.0, upto(max(heights)))
    ends_s = max(x for x, _ in everything)
    frame = Frame((0, upto(ends_s)), y, "intended send time, s", "latency, s", logarithmic_y=wide)
    first = next((x for x, kept in zip(series["intended_s"], series["measured"], strict=True) if kept), 0.0)
    if first > 0.05 * ends_s:
        frame.upright(first, "warm-up ends")
    for fault in faults[:40]:
        frame.upright(fault["at_s"], str(fault["what"])[:24] if len(faults) < 6 else "")
    frame.dots(_thinned(good), "one", "good")
    frame.dots(_thinned(cancelled), "quiet", "cancelled")
    frame.dots(failed, "bad", "failed")
    return frame.svg("Latency over time")


def distribution(series: Series) -> str | None:
    """Plot the number of responses by latency."""
    latencies = _measured_latencies(series)
    if len(latencies) < 2:
        return None
    low, high = latencies[0], latencies[-1]
    edges = np.linspace(low, high if high > low else low + LEAST_S, BINS + 1)
    counts, _ = np.histogram(latencies, edges)
    frame = Frame(
        (float(edges[0]), float(edges[-1])), (0, upto(float(counts.max()))), "latency, s", "responses"
    )
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        frame.bar(float(left), float(right), float(count), "one", f"{left:.2f} to {right:.2f} s: {count}")
    return frame.svg("Distribution of latency")


def percentiles(series: Series) -> str | None:
    """Plot latency by percentile, with the axis stretched towards 100% as in HdrHistogram's plots."""
    latencies = _measured_latencies(series)
    if len(latencies) < 2:
        return None
    nines = math.log10(len(latencies))
    shares = 1 - np.logspace(0, -nines, 200)
    points = [(-math.log10(1 - share), float(np.quantile(latencies, share))) for share in shares]
    names = {0.0: "0", math.log10(2): "50%", 1.0: "90%", 2.0: "99%", 3.0: "99.9%", 4.0: "99.99%"}
    frame = Frame((0, nines), (0, upto(latencies[-1])), "percentile of responses", "latency, s")
    frame.line(points, "one", "latency")
    return frame.svg("Latency by percentile", {at: name for at, name in names.items() if at <= nines + 0.01})


def _points(series: Series) -> tuple[list[Point], list[Point], list[Point]]:
    good, cancelled, failed = list[Point](), list[Point](), list[Point]()
    for at_s, latency_s, code in zip(series["intended_s"], series["latency_s"], series["code"], strict=True):
        kind = good if code == OK else cancelled if code == CANCELLED else failed
        kind.append((max(at_s, 0.0), max(latency_s, LEAST_S)))
    return good, cancelled, failed


def _thinned(points: list[Point]) -> list[Point]:
    """Return the lowest and highest point per slice: a long run's file stays small and keeps its tails."""
    if len(points) <= MANY_DOTS:
        return points
    size = math.ceil(2 * len(points) / MANY_DOTS)
    slices = (points[at : at + size] for at in range(0, len(points), size))
    return [pick(part, key=lambda point: point[1]) for part in slices for pick in (min, max)]


def _measured_latencies(series: Series) -> list[float]:
    rows = zip(series["latency_s"], series["code"], series["measured"], strict=True)
    return sorted(latency_s for latency_s, code, measured in rows if measured and code == OK)
