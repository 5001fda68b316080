"""Ray's own routing loop, over replicas that only count."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from ray.serve._private.common import (
    DeploymentHandleSource,
    DeploymentID,
    ReplicaID,
    RequestMetadata,
)
from ray.serve.request_router import PendingRequest

from deployments.messages import LayerJob
from deployments.standing import Standing
from serve.pools import HERE
from serve.routing import SENT_S, LayerRouter, routed


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Replica:
    """As much of Ray's wrapper as a router reads."""

    node_id, availability_zone, multiplexed_model_ids = "node", None, frozenset[str]()

    def __init__(self, name: str, room: int = 4) -> None:
        self.replica_id = ReplicaID(name, DeploymentID("Character"))
        self.max_ongoing_requests = room
        self.routing_stats: dict[str, Any] = {}
        self.ongoing = 0

    async def get_queue_len(self, *, deadline_s: float) -> int:
        return self.ongoing

    def tells(self, *warm: str, loaded: bool = True) -> None:
        self.routing_stats = Standing(1.0, 0.1, 0.0, warm, loaded).as_stats()


def router_of(
    *replicas: Replica, clock: Clock | None = None, kind: Any = LayerRouter, keeps_layers: bool = True
) -> LayerRouter:
    made: Any = kind(
        deployment_id=DeploymentID("Character"),
        handle_source=DeploymentHandleSource.REPLICA,
        get_curr_time_s=clock or Clock(),
        use_replica_queue_len_cache=False,
        initial_backoff_s=0.001,
        max_backoff_s=0.001,
    )
    made.initialize_state(kind="character", keeps_layers=keeps_layers)
    made.update_replicas(list(replicas))
    return made  # type: ignore[no-any-return]


def asking(seed: int = 1, **more: Any) -> PendingRequest:
    job = LayerJob("id", "character", "a", 4, 7.5, seed, 500, 500, **({"deadline_at": 1e9} | more))
    return PendingRequest([job], {}, RequestMetadata(request_id="r", internal_request_id=f"i{seed}"))


def job_of(request: PendingRequest) -> LayerJob:
    job: LayerJob = request.args[0]
    return job


async def send(router: LayerRouter, request: PendingRequest) -> Replica:
    """To whom it goes; it stays there."""
    replica: Any = await asyncio.wait_for(router._choose_replica_for_request(request), 20)
    replica.ongoing += 1
    router.on_request_routed(request, replica.replica_id, None)
    return replica  # type: ignore[no-any-return]


async def test_a_layer_goes_where_an_equal_one_is_kept_however_busy() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other)
    one.ongoing = 3
    one.tells(job_of(asking()).likeness)
    assert await send(router, asking()) is one
    assert await send(router, asking(seed=2)) is other, "the rest by how busy they are"


async def test_a_full_replica_is_not_waited_for() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other)
    one.ongoing = 4
    one.tells(job_of(asking()).likeness)
    assert await send(router, asking()) is other


async def test_an_equal_layer_follows_the_one_just_sent() -> None:
    clock, replicas = Clock(), [Replica(name, room=100) for name in "abcdef"]
    router = router_of(*replicas, clock=clock)
    first = await send(router, asking())
    for _ in range(10):
        assert await send(router, asking()) is first
        clock.now += SENT_S / 11
    assert router.is_warm(job_of(asking()))
    assert not router.is_warm(job_of(asking(no_store=True)))
    clock.now += SENT_S / 11
    assert not router.is_warm(job_of(asking())), "by now it would have told so itself"


async def test_where_nothing_is_kept_only_a_layer_under_way_is_warm() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other, keeps_layers=False)
    assert {await send(router, asking()) for _ in range(4)} == {one, other}, "by how busy they are"
    assert not router.is_warm(job_of(asking()))
    one.tells(job_of(asking()).likeness)
    assert router.is_warm(job_of(asking()))


async def test_a_model_that_is_loaded_is_not_loaded_once_more_while_it_is_idle() -> None:
    loaded, *others = (Replica(name) for name in "abcdef")
    router = router_of(loaded, *others)
    loaded.tells()
    for other in others:
        other.tells(loaded=False)
    assert await send(router, asking(seed=1)) is loaded
    router.replica_queue_len_cache.update(loaded.replica_id, 1)
    loaded.ongoing = 4
    assert await send(router, asking(seed=2)) in others, "it is not waited for"


async def test_those_that_wait_leave_in_a_fair_order() -> None:
    replica = Replica("one")
    replica.ongoing = 4
    router = router_of(replica)
    left: list[str] = []

    async def wait(request: PendingRequest) -> None:
        await send(router, request)
        left.append(job_of(request).tenant)

    tenants = ["greedy"] * 4 + ["modest"] * 2
    waiting = [asyncio.create_task(wait(asking(seed, tenant=name))) for seed, name in enumerate(tenants)]
    while router.waiting().total() < 6:
        await asyncio.sleep(0)
    assert router.waiting() == Counter(greedy=4, modest=2)
    for served in range(1, 7):
        replica.ongoing = 3
        while len(left) < served:
            await asyncio.sleep(0)
    assert left == ["greedy", "modest", "greedy", "modest", "greedy", "greedy"]
    await asyncio.gather(*waiting)
    assert router.num_pending_requests == 0


async def test_who_gives_up_waiting_is_passed_over() -> None:
    replica = Replica("one")
    replica.ongoing = 4
    router = router_of(replica)
    gone, stays = (asyncio.create_task(send(router, asking(seed))) for seed in (1, 2))
    while router.waiting().total() < 2:
        await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert router.waiting().total() == 1
    replica.ongoing = 0
    assert await stays is replica


async def test_a_question_is_not_held_up() -> None:
    replica = Replica("one")
    router = router_of(replica)
    question = PendingRequest([], {}, RequestMetadata(request_id="r", internal_request_id="i"))
    chosen: Any = await asyncio.wait_for(router._choose_replica_for_request(question), 20)
    assert chosen is replica


async def test_it_is_the_pool_of_its_kind() -> None:
    replica, silent = Replica("one"), Replica("silent")
    router = router_of(replica, silent)
    replica.tells("a")
    assert HERE.get("character") is router
    assert router.standings() == [Standing(1.0, 0.1, 0.0, ("a",)), None]


async def test_it_is_found_by_the_door_as_ray_unpickles_it() -> None:
    unpickled = routed("character", keeps_layers=True).get_request_router_class()
    router = router_of(Replica("one"), kind=unpickled)
    assert HERE.get("character") is router
    await send(router, asking())
    assert router.is_warm(job_of(asking()))
