"""Ray's own routing loop, over replicas that only count, with the queue lengths that Ray keeps."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from ray.serve._private.common import RequestMetadata
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve.request_router import PendingRequest

from serve.graph.request_router import LayerRouter
from serve.graph.shortest_queue import PROBE_EVERY_S
from tests.support.polling import eventually
from tests.support.routed_replicas import Clock, Replica, router_of


def request() -> PendingRequest:
    """Return a call; all have the same ids, since Ray gives each call those of its HTTP request."""
    return PendingRequest([], {}, RequestMetadata(request_id="r", internal_request_id="i"))


async def send(router: Any) -> Replica:
    """Route a request as Ray does: choose, send, get the replica's queue length. Return the replica."""
    replica: Replica = await router._choose_replica_for_request(request())
    router.on_send_request(replica.replica_id)
    replica.ongoing += 1
    heard = replica.ongoing
    await asyncio.sleep(0)
    router.on_new_queue_len_info(replica.replica_id, heard)
    return replica


def end(router: Any, replica: Replica) -> None:
    """Do what Ray does once a request has ended."""
    replica.ongoing -= 1
    router.on_request_completed(replica.replica_id, "any")
    router.decrement_queue_len_cache(replica.replica_id)


async def burst(kind: Any) -> list[int]:
    replicas = [Replica(name, room=100) for name in "abcd"]
    router = router_of(*replicas, kind=kind)
    await asyncio.wait_for(asyncio.gather(*(send(router) for _ in range(16))), 20)
    return [replica.ongoing for replica in replicas]


async def test_requests_that_come_together_are_shared_out_evenly() -> None:
    for _ in range(20):
        assert await burst(LayerRouter) == [4, 4, 4, 4]


async def test_power_of_two_choices_does_not() -> None:
    shares = [await burst(PowerOfTwoChoicesRequestRouter) for _ in range(20)]
    assert any(max(share) > 4 for share in shares), "otherwise this router would not be needed"


async def test_where_requests_end_the_next_ones_go() -> None:
    one, other = Replica("one", room=100), Replica("other", room=100)
    router = router_of(one, other)
    for _ in range(8):
        await send(router)
    for _ in range(3):
        end(router, one)
    assert [await send(router) for _ in range(10, 13)] == [one, one, one]


async def test_what_other_processes_send_counts_too() -> None:
    one, other = Replica("one", room=100), Replica("other", room=100)
    one.ongoing = 5
    router = router_of(one, other)
    await eventually(lambda: one.asked > 0)
    sent = Counter([(await send(router)).replica_id.unique_id for _ in range(7)])
    assert sent == Counter(other=6, one=1)


async def test_who_gives_up_is_not_counted() -> None:
    one, other = Replica("one", room=1), Replica("other", room=1)
    router = router_of(one, other)
    first, second = await send(router), await send(router)
    assert {first, second} == {one, other}
    leaves = request()
    waiting = asyncio.create_task(router._choose_replica_for_request(leaves))
    await eventually(lambda: router.num_pending_requests == 1)
    router._choose(leaves, first)
    assert router._queue_length(first.replica_id) == 2, "it is counted until it is sent"
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert router._queue_length(first.replica_id) == 1


async def test_a_replica_that_refuses_is_not_counted_twice() -> None:
    one = Replica("one", room=100)
    router = router_of(one, Replica("other", room=100))
    await send(router)
    for _ in range(3):
        router.on_send_request(one.replica_id)
        router.on_new_queue_len_info(one.replica_id, 0)
        router.on_request_completed(one.replica_id, "refused")
    assert router._queue_length(one.replica_id) in (0, 1)


async def test_replicas_that_are_not_known_are_probed_now_and_then() -> None:
    clock, replicas = Clock(), [Replica(name, room=100) for name in "abcd"]
    router = router_of(*replicas, clock=clock)
    await eventually(lambda: all(replica.asked for replica in replicas))
    clock.now += 60  # Ray's queue lengths are outdated
    before = [replica.asked for replica in replicas]
    await asyncio.gather(*(send(router) for _ in range(8)))
    assert [replica.asked - was for replica, was in zip(replicas, before, strict=True)] == [1, 1, 1, 1]
    assert [replica.ongoing for replica in replicas] == [2, 2, 2, 2]
    clock.now += PROBE_EVERY_S / 2
    await send(router)
    assert [replica.asked - was for replica, was in zip(replicas, before, strict=True)] == [1, 1, 1, 1]
