"""A pool of replicas that stand as a test says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from deployments.messages import LayerJob
from deployments.reports.routing_stats import RoutingStats


@dataclass
class FakePool:
    told: Sequence[RoutingStats | None] = ()
    queued: Counter[str] = field(default_factory=Counter)
    warm: set[str] = field(default_factory=set)

    def standings(self) -> Sequence[RoutingStats | None]:
        return self.told

    def waiting(self) -> Counter[str]:
        return self.queued

    def is_warm(self, job: LayerJob) -> bool:
        return job.likeness in self.warm

    def was_sent(self, job: LayerJob) -> bool:
        return False

    def refused(self, job: LayerJob) -> bool:
        return False
