"""The service's own autoscaling of simulated fleets: the same function, given equivalent reports."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.reports.load_report import WINDOWS_S

from ..autoscaling.decide import (
    BranchLoad,
    Goal,
    History,
    arrival_rate,
    decide,
)
from .fleet import Fleet


class JointScaler:
    """Scale each branch from `least` to `most`. Reports reach the policy `lag_s` late, as through Ray."""

    def __init__(self, goal: Goal, least: int = 1, most: int = 25, lag_s: float = 1.0) -> None:
        self._goal, self._least, self._most, self._lag_s = goal, least, most, lag_s
        self._histories: dict[str, History] = {}
        self._reports: list[tuple[float, dict[str, BranchLoad]]] = []

    def __call__(self, now: float, fleets: Mapping[str, Fleet]) -> dict[str, int]:
        self._reports.append((now, {kind: self._load(fleet, now) for kind, fleet in fleets.items()}))
        while len(self._reports) > 1 and self._reports[1][0] <= now - self._lag_s:
            self._reports.pop(0)
        counts, self._histories = decide(self._reports[0][1], self._goal, self._histories, now)
        return counts

    def _load(self, fleet: Fleet, now: float) -> BranchLoad:
        ages_s = [now - at for at in fleet.arrivals]
        counts = [sum(age_s <= window_s for age_s in ages_s) for window_s in WINDOWS_S]
        rate = arrival_rate(counts, WINDOWS_S, now)
        return BranchLoad(
            offered=rate * _request_s(fleet),
            backlog_s=fleet.backlog_s(),
            service_s=fleet.layer.alone_s,
            replicas=fleet.target,
            least=self._least,
            most=self._most,
        )


def _request_s(fleet: Fleet) -> float:
    """Return one replica's seconds for a request, given how many now share a forward."""
    layer = fleet.layer
    running = [len(replica.tasks) for replica in fleet.ready if replica.tasks]
    sharing = min(layer.most_pictures, max(1, round(sum(running) / len(running)))) if running else 1
    return layer.encode_s + layer.steps * layer.forward_s(sharing) / sharing + layer.decode_s
