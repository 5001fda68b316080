"""Fake replicas for Ray's own routing loop, which only count their requests."""

from __future__ import annotations

import asyncio
from typing import Any

from ray.serve._private.common import DeploymentHandleSource, DeploymentID, ReplicaID

from deployments.reports.routing_stats import RoutingStats
from serve.graph.request_router import LayerRouter


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """Fake Ray's replica wrapper, as far as a router reads it."""

    node_id, availability_zone, multiplexed_model_ids = "node", None, frozenset[str]()

    def __init__(self, name: str, room: int = 4) -> None:
        self.replica_id = ReplicaID(name, DeploymentID("Character"))
        self.max_ongoing_requests = room
        self.routing_stats: dict[str, Any] = {}
        self.ongoing = 0
        self.asked = 0

    async def get_queue_len(self, *, deadline_s: float) -> int:
        self.asked += 1
        await asyncio.sleep(0)
        return self.ongoing

    def report(
        self, *cached: str, loaded: bool = True, unready: str = "", loras: tuple[str, ...] = ()
    ) -> None:
        self.routing_stats = RoutingStats(1.0, 0.1, 0.0, cached, loaded, unready, loras=loras).as_stats()


def router_of(
    *replicas: Replica,
    clock: Clock | None = None,
    kind: Any = LayerRouter,
    keeps_layers: bool = True,
    generator: str = "character",
) -> LayerRouter:
    made: Any = kind(
        deployment_id=DeploymentID("Character"),
        handle_source=DeploymentHandleSource.REPLICA,
        get_curr_time_s=clock or Clock(),
        use_replica_queue_len_cache=True,
        initial_backoff_s=0.001,
        max_backoff_s=0.001,
    )
    made.initialize_state(generator=generator, keeps_layers=keeps_layers)
    made.update_replicas(list(replicas))
    return made  # type: ignore[no-any-return]
