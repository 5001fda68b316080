"""The replicas of one kind of layer, as those who send them work see them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from deployments.messages import LayerJob, LayerKind
from deployments.reports.routing_stats import RoutingStats


class Pool(Protocol):
    def standings(self) -> Sequence[RoutingStats | None]:
        """Of each replica; None of one that has not told it yet."""

    def waiting(self) -> Counter[str]:
        """How many layers of each tenant wait outside of the replicas for room in one of them."""

    def is_warm(self, job: LayerJob) -> bool:
        """Whether an equal layer is painted or kept."""

    def was_sent(self, job: LayerJob) -> bool:
        """Whether the job was handed to a replica."""

    def refused(self, job: LayerJob) -> bool:
        """The replica that got the job was not ready. Whether there is another one to try."""


class ReplicaRegistry:
    """Ray Serve makes the routers, each where and when its handle is first used, and hands them to nobody:
    they register here, in their own process."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}

    def register(self, kind: LayerKind, pool: Pool) -> None:
        self._pools[kind] = pool

    def get(self, kind: LayerKind) -> Pool | None:
        return self._pools.get(kind)


def nowhere(kind: LayerKind) -> Pool | None:
    """Of a process without routers."""
    return None


HERE = ReplicaRegistry()
