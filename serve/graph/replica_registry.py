"""The replicas of one generator, for those who send them work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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


class ReplicaRegistry:
    """The routers of this process.

    Ray Serve makes them, each where and when its handle is first used, and hands them to nobody: they
    register here, in their own process.
    """

    def __init__(self) -> None:
        self._by_kind: dict[str, Replicas] = {}

    def register(self, generator: str, replicas: Replicas) -> None:
        self._by_kind[generator] = replicas

    def get(self, generator: str) -> Replicas | None:
        return self._by_kind.get(generator)


def nowhere(generator: str) -> Replicas | None:
    """Return no pool, for a process without routers."""
    return None


HERE = ReplicaRegistry()
