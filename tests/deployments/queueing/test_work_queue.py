"""Choose which call is next, which fits, and which is refused, if several tenants use the merger."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable

import pytest

from deployments.errors import Overloaded
from deployments.queueing.work_queue import QueuedThreads, QueuedWork, WorkQueue

LARGE = 500
Release = Callable[[], None]


class Taken:
    """Request turns, and record which are granted."""

    def __init__(self, queue: WorkQueue) -> None:
        self.queue = queue
        self.turns: dict[str, asyncio.Task[Release]] = {}

    async def send(self, name: str, call: QueuedWork) -> None:
        self.turns[name] = asyncio.create_task(self.queue.acquire(call))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def granted(self) -> set[str]:
        return {name for name, slot in self.turns.items() if slot.done() and not slot.cancelled()}

    async def end(self, name: str) -> None:
        self.turns.pop(name).result()()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_bystander_is_merged_beside_the_largest_uploads() -> None:
    requested = Taken(WorkQueue(4, 1_000))
    for number in range(16):
        await requested.send(f"upload {number}", QueuedWork("attacker", 30, LARGE, later=True))
    await requested.send("scene", QueuedWork("bystander", 0.5, 28))
    assert requested.granted() == {"upload 0", "scene"}


async def test_uploads_of_ones_own_hold_up_no_scene() -> None:
    requested = Taken(WorkQueue(4, 1_000))
    for number in range(16):
        await requested.send(f"upload {number}", QueuedWork("", 1, 20, later=True))
    await requested.send("scene", QueuedWork("", 1, 20))
    assert requested.granted() == {"upload 0", "upload 1", "scene"}


async def test_tenants_alternate_by_the_work_they_have_had() -> None:
    requested = Taken(WorkQueue(1, 1_000))
    await requested.send("first", QueuedWork("a", 1))
    for number in range(6):
        await requested.send(f"a{number}", QueuedWork("a", 1))
    for number in range(2):
        await requested.send(f"b{number}", QueuedWork("b", 3))
    order, running = [], "first"
    while requested.turns:
        await requested.end(running)
        if requested.turns:
            running = next(iter(requested.granted()))
            order.append(running[0])
    assert order == ["b", "a", "a", "a", "b", "a", "a", "a"]


async def test_what_is_larger_than_the_memory_runs_alone() -> None:
    requested = Taken(WorkQueue(4, 1_000))
    await requested.send("huge", QueuedWork("a", 1, 5_000))
    await requested.send("small", QueuedWork("b", 1, 10))
    assert requested.granted() == {"huge"}
    await requested.end("huge")
    assert requested.granted() == {"small"}


async def test_large_work_is_not_passed_over_for_ever() -> None:
    requested = Taken(WorkQueue(4, 1_000))
    await requested.send("s0", QueuedWork("a", 0.1, 120))
    await requested.send("s1", QueuedWork("b", 0.1, 120))
    await requested.send("large", QueuedWork("c", 30, 875))
    for number in range(2, 40):
        if "large" in requested.granted():
            break
        await requested.send(f"s{number}", QueuedWork("ab"[number % 2], 0.1, 120))
        await requested.end(min(requested.granted() - {"large"}, key=lambda name: int(name[1:])))
    assert "large" in requested.granted()


async def test_a_newcomer_finds_a_place_where_another_has_filled_the_queue() -> None:
    requested = Taken(WorkQueue(1, 1_000, places=10))
    for number in range(30):
        await requested.send(str(number), QueuedWork("attacker", 1))
    refused = [slot.exception() for slot in requested.turns.values() if slot.done()][1:]
    assert len(refused) == 21
    assert all(isinstance(error, Overloaded) and error.retry_after_s for error in refused)
    await requested.send("new", QueuedWork("bystander", 1))
    assert not requested.turns["new"].done()
    await requested.end("0")
    assert "new" in requested.granted()


async def test_those_who_leave_take_nothing_with_them() -> None:
    """The limits are kept at every moment, and at the end everything is free."""
    queue, chance = WorkQueue(3, 1_000), random.Random(7)
    held: list[QueuedWork] = []

    async def caller() -> None:
        for _ in range(30):
            call = QueuedWork(chance.choice("abc"), chance.random(), chance.choice((10, 200, 900)))
            async with queue.slot(call):
                held.append(call)
                assert len(held) <= 3
                assert sum(each.memory_bytes for each in held) <= 1_000
                try:
                    await asyncio.sleep(chance.random() / 500)
                finally:
                    held.remove(call)

    callers = [asyncio.create_task(caller()) for _ in range(12)]
    for each in callers[::3]:
        await asyncio.sleep(0.005)
        each.cancel()
    done = await asyncio.gather(*callers, return_exceptions=True)
    assert sum(isinstance(each, asyncio.CancelledError) for each in done) == 4
    assert [each for each in done if isinstance(each, AssertionError)] == []
    for _ in range(3):
        async with asyncio.timeout(5), queue.slot(QueuedWork("d", 1, 1_000)):
            assert held == []


async def test_a_thread_whose_caller_left_keeps_its_memory_until_it_ends() -> None:
    go_on, started, queue = threading.Event(), threading.Event(), QueuedThreads(1, 1_000)

    def call() -> None:
        started.set()
        go_on.wait(10)

    first = asyncio.create_task(queue.run(QueuedWork("a", 1), call))
    while not started.is_set():
        await asyncio.sleep(0.001)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(queue.run(QueuedWork("b", 1), lambda: 2))
    await asyncio.sleep(0.01)
    assert not second.done()
    go_on.set()
    assert await asyncio.wait_for(second, 10) == 2
