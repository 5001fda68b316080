"""Plot throughput against the offered rate: over time, and over the probes of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..traffic.record import CANCELLED, OK
from .frame import Frame
from .scales import upto

Series = Mapping[str, Sequence[Any]]


def throughput(series: Series) -> str | None:
    """Plot the offered rate and the throughput, in slices wide enough to hold some requests each."""
    if not series["intended_s"]:
        return None
    sent = np.array(series["intended_s"])
    ended = sent + np.array(series["latency_s"])
    good = np.array([code == OK for code in series["code"]])
    ends_s = float(max(sent.max(), ended.max()))
    width_s = max(1.0, ends_s / 60)
    edges = np.arange(0, ends_s + width_s, width_s)
    middles = (edges[:-1] + edges[1:]) / 2
    rates = {
        ("two", "offered"): np.histogram(sent, edges)[0] / width_s,
        ("one", "good responses"): np.histogram(ended[good], edges)[0] / width_s,
        ("bad", "failed"): np.histogram(
            ended[[code not in (OK, CANCELLED) for code in series["code"]]], edges
        )[0]
        / width_s,
    }
    most = max(float(rate.max()) for rate in rates.values())
    frame = Frame((0, ends_s), (0, upto(most)), "time, s", "requests per second")
    for (colour, name), rate in rates.items():
        if rate.any():
            frame.line(zip(middles.tolist(), rate.tolist(), strict=True), colour, name)
    return frame.svg("Throughput against offered load")


def load_curve(probes: Sequence[Mapping[str, Any]]) -> str | None:
    """Plot throughput against the offered rate, over the probes of a search."""
    if not probes:
        return None
    ordered = sorted(probes, key=lambda probe: float(probe["offered_rps"]))
    most = max(probe["offered_rps"] for probe in ordered)
    frame = Frame(
        (0, upto(most)), (0, upto(most)), "offered, requests per second", "good responses per second"
    )
    frame.line([(0, 0), (most, most)], "quiet", "all offered requests")
    frame.line([(p["offered_rps"], p["goodput_rps"]) for p in ordered], "one", "goodput")
    frame.dots([(p["offered_rps"], p["goodput_rps"]) for p in ordered if p["met"]], "one", "objective met")
    frame.dots([(p["offered_rps"], p["goodput_rps"]) for p in ordered if not p["met"]], "bad", "missed")
    return frame.svg("Throughput against offered load")


def latency_curve(probes: Sequence[Mapping[str, Any]]) -> str | None:
    ordered = sorted((p for p in probes if p["latency_s"]), key=lambda probe: float(probe["offered_rps"]))
    if len(ordered) < 2:
        return None
    slowest = max(probe["latency_s"]["p95"] for probe in ordered)
    most = max(probe["offered_rps"] for probe in ordered)
    frame = Frame((0, upto(most)), (0, upto(slowest)), "offered, requests per second", "latency, s")
    for colour, name in (("one", "p50"), ("two", "p95")):
        frame.line([(p["offered_rps"], p["latency_s"][name]) for p in ordered], colour, name)
    return frame.svg("Latency against offered load")
