"""A service level objective written as text: 'p95<8s,ok>=99%'."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LATENCIES = ("p50", "p90", "p95", "p99", "p999", "max", "mean")
SHARES = ("ok", "errors")
RATES = ("throughput", "goodput")
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TERM = re.compile(r"\s*([a-z]+[0-9.]*)\s*(<=|>=|<|>)\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|%|/s)\s*")
UNITS = {"ms": 1e-3, "s": 1.0, "%": 1e-2, "/s": 1.0}


class SloError(ValueError):
    """The objective is malformed. The message can be shown to the user."""


@dataclass(frozen=True)
class Term:
    """One bound: latencies in seconds, shares within 0..1, rates per second."""

    metric: str
    comparison: str
    bound: float
    written: str

    def value(self, summary: Mapping[str, Any]) -> float | None:
        """Return the run's value of the metric, or None if the run has none."""
        if self.metric in LATENCIES:
            latencies = summary["latency_s"]
            return None if latencies is None else float(latencies[self.metric])
        if self.metric in RATES:
            return float(summary[f"{self.metric}_rps"])
        completed = summary["requests"] - summary["cancelled"]
        if not completed:
            return None
        counted = summary["ok"] if self.metric == "ok" else completed - summary["ok"]
        return float(counted / completed)

    def met(self, summary: Mapping[str, Any]) -> bool:
        value = self.value(summary)
        return value is not None and COMPARE[self.comparison](value, self.bound)


@dataclass(frozen=True)
class Slo:
    terms: tuple[Term, ...]

    @property
    def latency_bound_s(self) -> float | None:
        """Return the latency within which a response counts as goodput: the largest bound on latency."""
        return max(
            (t.bound for t in self.terms if t.metric in LATENCIES and "<" in t.comparison), default=None
        )

    def met(self, summary: Mapping[str, Any]) -> bool:
        return all(term.met(summary) for term in self.terms)

    def verdict(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Return each term, the summary's value for it, and whether it is met."""
        terms = [
            {"term": term.written, "value": term.value(summary), "met": term.met(summary)}
            for term in self.terms
        ]
        return {"text": str(self), "met": self.met(summary), "terms": terms}

    def __str__(self) -> str:
        return ",".join(term.written for term in self.terms)


def parse(text: str) -> Slo:
    """Parse an objective. Raises SloError naming the term at fault."""
    return Slo(tuple(_term(part) for part in text.split(",")))


def _term(text: str) -> Term:
    matched = TERM.fullmatch(text)
    if matched is None:
        raise SloError(f"{text.strip()!r} is not a bound; write one like p95<8s or ok>=99%")
    metric, comparison, number, unit = matched.groups()
    metric = metric.replace("p99.9", "p999")
    units = {LATENCIES: ("s", "ms"), SHARES: ("%",), RATES: ("/s",)}
    for metrics, fitting in units.items():
        if metric in metrics:
            if unit not in fitting:
                raise SloError(f"{text.strip()!r}: {metric} must be given in {' or '.join(fitting)}")
            return Term(metric, comparison, float(number) * UNITS[unit], text.strip())
    known = ", ".join([*LATENCIES, *SHARES, *RATES])
    raise SloError(f"{text.strip()!r}: {metric} is not a known metric; known are {known}")
