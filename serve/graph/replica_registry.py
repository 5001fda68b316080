"""The replicas of each generator, as the code that sends them work sees them."""

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
        """Count each tenant's layers that wait here until a replica has room."""

    def is_cached(self, job: LayerJob) -> bool:
        """Return whether an equal layer is being painted or is cached."""

    def was_sent(self, job: LayerJob) -> bool:
        """Return whether the job was handed to a replica."""

    def refused(self, job: LayerJob) -> bool:
        """Record that the job's replica was not ready. Return whether there is another one to try."""


HERE: dict[str, Replicas] = {}
"""The routers of this process, by generator name. Ray Serve creates a router when its handle is first used,
and does not expose it, so each router registers itself."""
NOWHERE: Mapping[str, Replicas] = {}
"""The registry of a process without routers."""
