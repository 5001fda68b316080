"""The replicas of one generator, for those who send them work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from deployments.messages import LayerJob
from deployments.reports.routing_stats import RoutingStats


class Replicas(Protocol):
    def routing_stats(self) -> Sequence[RoutingStats | None]:
        """Return each replica's report; None for one that has not reported yet."""

    def waiting(self) -> Counter[str]:
        """Count the layers of each tenant that wait outside of the replicas for room in one of them."""

    def is_cached(self, job: LayerJob) -> bool:
        """Return whether an equal layer is painted or kept."""

    def was_sent(self, job: LayerJob) -> bool:
        """Return whether the job was handed to a replica."""

    def refused(self, job: LayerJob) -> bool:
        """Note that the replica of the job was not ready. Return whether there is another one to try."""


HERE: dict[str, Replicas] = {}
"""The routers of this process, by their generators' names. Ray Serve makes each where and when its handle is
first used, and hands it to nobody, so it registers itself."""
NOWHERE: Mapping[str, Replicas] = {}
"""Those of a process without routers."""
