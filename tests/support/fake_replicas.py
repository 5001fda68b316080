"""Fake replicas in the state that a test sets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deployments.messages import LayerJob
from deployments.reports.routing_stats import RoutingStats


@dataclass
class FakeReplicas:
    reported: Sequence[RoutingStats | None] = ()
    queued: Counter[str] = field(default_factory=Counter)
    cached: set[str] = field(default_factory=set)

    def routing_stats(self) -> Sequence[RoutingStats | None]:
        return self.reported

    def waiting(self) -> Counter[str]:
        return self.queued

    def is_cached(self, job: LayerJob) -> bool:
        return job.cache_key in self.cached

    def was_sent(self, job: LayerJob) -> bool:
        return False

    def refused(self, job: LayerJob) -> bool:
        return False
