"""Ray's own routing loop, over replicas that only count."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from ray.serve._private.common import DeploymentID, ReplicaID, RequestMetadata
from ray.serve.request_router import PendingRequest

from deployments.messages import LayerJob, LoraUse
from deployments.reports.routing_stats import RoutingStats
from serve.graph.replica_registry import HERE
from serve.graph.request_router import (
    REFUSED_S,
    REMEMBERED,
    SENT_S,
    LayerRouter,
    routed,
)
from tests.support.polling import eventually
from tests.support.routed_replicas import Clock, Replica, router_of


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    yield
    HERE.clear()


def pending_request(seed: int = 1, **more: Any) -> PendingRequest:
    job = LayerJob(
        request_id="id",
        kind="character",
        prompt="a",
        num_inference_steps=4,
        guidance_scale=7.5,
        seed=seed,
        width_px=500,
        height_px=500,
        **({"deadline_at": 1e9} | more),
    )
    return PendingRequest([job], {}, RequestMetadata(request_id="r", internal_request_id=f"i{seed}"))


def job_of(request: PendingRequest) -> LayerJob:
    job: LayerJob = request.args[0]
    return job


async def send(router: LayerRouter, request: PendingRequest) -> Replica:
    """Route a request, leave it running, return its replica. The router knows the current queue lengths."""
    for each in router.curr_replicas.values():
        router.replica_queue_len_cache.update(each.replica_id, each.ongoing)
    replica: Any = await asyncio.wait_for(router._choose_replica_for_request(request), 20)
    replica.ongoing += 1
    router.on_request_routed(request, replica.replica_id, None)
    return replica  # type: ignore[no-any-return]


async def test_a_layer_goes_where_an_equal_one_is_kept_however_busy() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other)
    one.ongoing = 3
    one.report(job_of(pending_request()).cache_key)
    assert await send(router, pending_request()) is one
    assert await send(router, pending_request(seed=2)) is other, "other layers go by load"


async def test_a_full_replica_is_not_waited_for() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other)
    one.ongoing = 4
    one.report(job_of(pending_request()).cache_key)
    assert await send(router, pending_request()) is other


async def test_an_equal_layer_follows_the_one_just_sent() -> None:
    clock, replicas = Clock(), [Replica(name, room=100) for name in "abcdef"]
    router = router_of(*replicas, clock=clock)
    first = await send(router, pending_request())
    for _ in range(10):
        assert await send(router, pending_request()) is first
        clock.now += SENT_S / 11
    assert router.is_cached(job_of(pending_request()))
    assert not router.is_cached(job_of(pending_request(no_store=True)))
    clock.now += SENT_S / 11
    assert not router.is_cached(job_of(pending_request())), "by now the replica would have reported it"


async def test_where_nothing_is_kept_only_a_layer_under_way_is_cached() -> None:
    one, other = Replica("one"), Replica("other")
    router = router_of(one, other, keeps_layers=False)
    assert {await send(router, pending_request()) for _ in range(4)} == {one, other}, "layers go by load"
    assert not router.is_cached(job_of(pending_request()))
    one.report(job_of(pending_request()).cache_key)
    assert router.is_cached(job_of(pending_request()))


async def test_a_model_that_is_loaded_is_not_loaded_once_more_while_it_is_idle() -> None:
    loaded, *others = (Replica(name) for name in "abcdef")
    router = router_of(loaded, *others)
    loaded.report()
    for other in others:
        other.report(loaded=False)
    assert await send(router, pending_request(seed=1)) is loaded
    router.replica_queue_len_cache.update(loaded.replica_id, 1)
    loaded.ongoing = 4
    assert await send(router, pending_request(seed=2)) in others, "the busy replica is not waited for"


INK, WASH = LoraUse(name="ink", sha256="1"), LoraUse(name="wash", sha256="2")


async def test_a_layer_goes_where_its_loras_are_held() -> None:
    holder, *others = replicas = [Replica(name, room=100) for name in "abcdef"]
    router = router_of(*replicas, keeps_layers=False)
    holder.report(loras=("1", "2"))
    others[0].report(loras=("1",))
    for other in others[1:]:
        other.report()
    for seed in range(20):
        assert await send(router, pending_request(seed, loras=(INK, WASH))) is holder
        holder.ongoing = 0
    plain = {await send(router, pending_request(seed)) for seed in range(20)}
    assert len(plain) > 1, "layers without LoRAs go by load"


async def test_a_hot_lora_spreads_to_a_replica_that_has_less_to_do() -> None:
    holder, other = Replica("holder", room=100), Replica("other", room=100)
    router = router_of(holder, other, keeps_layers=False)
    holder.report(loras=("1",))
    other.report()
    sent = Counter[str]()
    for seed in range(40):
        for replica in (holder, other):
            router.replica_queue_len_cache.update(replica.replica_id, replica.ongoing)
        replica = await send(router, pending_request(seed, loras=(INK,)))
        sent[replica.replica_id.unique_id] += 1
    assert 15 <= sent["other"] <= 25, sent


async def test_layers_follow_the_one_with_whose_loras_a_replica_was_just_sent() -> None:
    clock, replicas = Clock(), [Replica(name, room=100) for name in "abcdef"]
    router = router_of(*replicas, clock=clock, keeps_layers=False)
    first = await send(router, pending_request(0, loras=(INK,)))
    for seed in range(1, 10):
        first.ongoing = 0
        assert await send(router, pending_request(seed, loras=(INK,))) is first
    clock.now += SENT_S
    assert not router._with_loras(job_of(pending_request(loras=(INK,)))), (
        "by now the replica would have reported them"
    )
    for number in range(3_000):
        lora = LoraUse(name="any", sha256=str(number))
        router.on_request_routed(pending_request(number, loras=(lora,)), first.replica_id, None)
    assert len(router._loras_sent) <= REMEMBERED


async def test_a_replica_that_is_not_ready_gets_nothing_however_idle_it_is() -> None:
    bad, good = Replica("bad"), Replica("good", room=100)
    router = router_of(bad, good)
    bad.report(unready="unet is missing")
    good.report()
    good.ongoing = 50
    for seed in range(40):
        assert await send(router, pending_request(seed)) is good
    bad.report()
    assert await send(router, pending_request(99)) is bad, "now it is ready"


async def test_not_even_a_layer_that_it_was_just_sent_or_once_kept() -> None:
    bad, good = Replica("bad"), Replica("good")
    router = router_of(bad, good)
    bad.report(job_of(pending_request()).cache_key)
    good.report()
    assert await send(router, pending_request()) is bad
    bad.report(job_of(pending_request()).cache_key, unready="the device is lost")
    assert await send(router, pending_request()) is good
    assert router.is_cached(job_of(pending_request()))


async def test_a_full_replica_is_waited_for_where_the_other_is_not_ready() -> None:
    bad, good = Replica("bad"), Replica("good")
    router = router_of(bad, good)
    bad.report(unready="unet is missing")
    good.report()
    good.ongoing = 4
    waiting = asyncio.create_task(send(router, pending_request()))
    await eventually(lambda: good.asked >= 3 or waiting.done())
    assert not waiting.done()
    good.ongoing = 0
    assert await waiting is good


async def test_one_that_has_reported_nothing_yet_comes_second() -> None:
    fresh, good = Replica("fresh"), Replica("good")
    router = router_of(fresh, good)
    good.report()
    for seed in range(4):
        assert await send(router, pending_request(seed)) is good
    assert await send(router, pending_request(5)) is fresh, "the other is full"


async def test_where_none_is_ready_one_of_them_says_why() -> None:
    bad, worse = Replica("bad", room=100), Replica("worse", room=100)
    router = router_of(bad, worse)
    for each in (bad, worse):
        each.report(unready="unet is missing")
    assert {await send(router, pending_request(seed)) for seed in range(20)} == {bad, worse}


async def test_a_replica_that_refused_gets_no_request_until_it_has_reported() -> None:
    clock, first, second = Clock(), Replica("first", room=100), Replica("second", room=100)
    router = router_of(first, second, clock=clock, keeps_layers=False)
    sent_to = await send(router, pending_request())
    other = second if sent_to is first else first
    assert router.refused(job_of(pending_request()))
    for seed in range(10):
        assert await send(router, pending_request(seed)) is other
    assert not router.refused(job_of(pending_request(9))), "no other replica is left"
    clock.now += REFUSED_S
    assert router.refused(job_of(pending_request(77))), "the request's replica is unknown"
    assert {await send(router, pending_request(seed)) for seed in range(20)} == {first, second}


async def test_each_figure_of_a_request_was_sent_where_it_was_sent() -> None:
    first, second = Replica("first", room=100), Replica("second", room=100)
    router = router_of(first, second, keeps_layers=False)
    jobs = [replace(job_of(pending_request(seed)), figure=seed) for seed in range(2)]
    for job, replica in zip(jobs, (first, second), strict=True):
        request = pending_request()
        request.args[0] = job
        router.on_request_routed(request, replica.replica_id, None)
    assert all(map(router.was_sent, jobs))
    assert router.refused(jobs[0]), "the second is ready"
    assert {await send(router, pending_request(seed)) for seed in range(9)} == {second}


async def test_what_it_knows_of_replicas_and_requests_does_not_grow() -> None:
    router = router_of(Replica("one", room=10_000))
    for number in range(3_000):
        request = pending_request(number)
        request.args[0] = replace(request.args[0], request_id=str(number))
        router.on_request_routed(request, ReplicaID(f"gone-{number}", DeploymentID("Character")), None)
        router.refused(job_of(request))
    assert len(router._routed) <= REMEMBERED and len(router._sent) <= REMEMBERED
    assert len(router._refused) <= 2


async def test_those_that_wait_leave_in_a_fair_order() -> None:
    replica = Replica("one")
    replica.ongoing = 4
    router = router_of(replica)
    left: list[str] = []

    async def wait(request: PendingRequest) -> None:
        await send(router, request)
        left.append(job_of(request).tenant)

    tenants = ["greedy"] * 4 + ["modest"] * 2
    waiting = [
        asyncio.create_task(wait(pending_request(seed, tenant=name))) for seed, name in enumerate(tenants)
    ]
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
    gone, stays = (asyncio.create_task(send(router, pending_request(seed))) for seed in (1, 2))
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


async def test_it_registers_for_its_kind() -> None:
    replica, silent = Replica("one"), Replica("silent")
    router = router_of(replica, silent)
    replica.report("a")
    assert HERE.get("character") is router
    assert router.routing_stats() == [RoutingStats(1.0, 0.1, 0.0, ("a",)), None]


async def test_each_model_of_a_layer_has_a_pool_of_its_own() -> None:
    first, other = router_of(Replica("one")), router_of(Replica("two"), generator="character:b")
    assert (HERE.get("character"), HERE.get("character:b")) == (first, other)
    assert HERE.get(job_of(pending_request(model="b")).generator) is other


async def test_admission_control_finds_it_as_ray_unpickles_it() -> None:
    unpickled = routed("character", keeps_layers=True).get_request_router_class()
    router = router_of(Replica("one"), kind=unpickled)
    assert HERE.get("character") is router
    await send(router, pending_request())
    assert router.is_cached(job_of(pending_request()))
