from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.engine.job_table import JobTable
from deployments.diffusion.engine.result_cache import ResultCache
from deployments.diffusion.engine.work_item import Listener, Place, WorkItem
from deployments.diffusion.painter import Painting, PaintRequest, guided_rows
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import CostModel
from deployments.diffusion.scheduling.scheduler import Scheduler
from deployments.errors import DeadlineExceeded, Overloaded
from deployments.messages import LayerJob, LayerResult, LayerTimings

MakeJob = Callable[..., LayerJob]
REQUEST = PaintRequest("words", "", 4, 7.5, 42, 64, 64)


class Woken:
    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def two_rows(request: PaintRequest) -> list[int]:
    return [guided_rows(request)]


def job_table_of(
    woken: Woken,
    max_jobs: int = 8,
    cap_rows: int = 8,
    forwards: Callable[[PaintRequest], list[int]] = two_rows,
) -> JobTable:
    scheduler = Scheduler(CostModel(BatchKey(64, 64), {1: 0.01}), cap_rows, 8.0, max_jobs)
    return JobTable(scheduler, ResultCache(1 << 20), woken, forwards, lambda: 100.0)


def enter(job_table: JobTable, job: LayerJob, request: PaintRequest = REQUEST) -> tuple[WorkItem, Listener]:
    entered = job_table.enter(job, request, "model", asyncio.get_running_loop())
    assert not isinstance(entered, LayerResult)
    return entered


def layer() -> LayerResult:
    return LayerResult(
        "character", np.zeros((4, 4, 3), np.uint8), 42, "m", "simulated", LayerTimings(1, 2, 3, 4)
    )


async def test_the_models_thread_is_woken_once_and_again_after_it_rested(make_job: MakeJob) -> None:
    woken = Woken()
    job_table = job_table_of(woken)
    work_items = [enter(job_table, make_job(no_store=True)) for _ in range(3)]
    assert woken.times == 1
    assert not job_table.rest()
    for item, listener in work_items:
        job_table.leave(item, listener)
    assert job_table.rest()
    enter(job_table, make_job())
    assert woken.times == 2


async def test_an_equal_job_joins_and_makes_it_as_urgent_as_itself(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken())
    item, _ = enter(job_table, make_job(deadline_at=500.0, priority="batch"))
    joined, listener = enter(job_table, make_job(deadline_at=300.0, previews=2))
    assert joined is item and listener.joined
    assert (item.deadline_at, item.priority, item.previews) == (300.0, "interactive", 2)
    assert enter(job_table, make_job(fallback="none", deadline_at=500.0))[0] is not item
    assert enter(job_table, make_job(no_store=True, deadline_at=500.0))[0] is not item


async def test_what_ended_is_kept_for_the_next_and_reported_once(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken())
    item, listener = enter(job_table, make_job())
    assert job_table.end(item, layer()) == [listener]
    assert job_table.end(item, layer()) == []
    job_table.leave(item, listener)
    again = job_table.enter(make_job(), REQUEST, "model", asyncio.get_running_loop())
    assert isinstance(again, LayerResult) and again.cached
    assert job_table.enter(make_job(), REQUEST, "other weights", asyncio.get_running_loop()) is not again


async def test_another_attempt_keeps_its_place_and_its_callers(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken())
    item, listener = enter(job_table, make_job())
    smaller = PaintRequest("words", "", 2, 1.0, 42, 64, 32)
    _, other = enter(job_table, make_job(deadline_at=300.0))
    job_table.try_again(item, smaller)
    assert (item.attempt, item.deadline_at) == (2, 300.0), "as urgent as the most urgent of its callers"
    assert (item.arrived_at, item.key, item.rows) == (100.0, BatchKey(64, 32), 1)
    assert job_table.choose() == [item]
    for each in (listener, other):
        job_table.leave(item, each)
    job_table.try_again(item, REQUEST)
    assert job_table.work_items() == [], "no caller waits for it"


async def test_a_refused_job_leaves_nothing_behind(make_job: MakeJob) -> None:
    woken = Woken()
    job_table = job_table_of(woken, max_jobs=0)
    with pytest.raises(Overloaded) as refused:
        enter(job_table, make_job())
    assert refused.value.retry_after_s == 1.0
    assert (job_table.work_items(), woken.times) == ([], 0)


async def test_a_picture_without_steps_left_is_not_chosen(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken())
    item, _ = enter(job_table, make_job())
    painting = item.painting = Painting(REQUEST, 4, guided=True, done=3)
    assert not job_table.stepped(item)
    assert job_table.choose() == [item]
    painting.done = 4
    assert job_table.stepped(item)
    assert job_table.choose() == []
    assert not job_table.rest(), "it still has to be decoded"


async def test_those_that_wait_hear_their_places_once_and_again_when_they_move(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken(), cap_rows=2)
    far = {"deadline_at": 500.0, "queue_events": True}
    work_items = [enter(job_table, make_job(seed=seed, **far), seeded(seed))[0] for seed in range(3)]
    first, second, third = work_items
    assert places(job_table) == [(second, 1), (third, 2)]
    assert places(job_table) == [], "nothing has changed"
    silent, _ = enter(job_table, make_job(seed=9, deadline_at=500.0), seeded(9))
    assert places(job_table) == [], "its caller does not want queue events"
    job_table.leave(first, first.listeners[0])
    assert places(job_table) == [(second, 0), (third, 1)]
    second.painting = begun()
    assert places(job_table) == []
    job_table.leave(second, second.listeners[0])
    job_table.leave(silent, silent.listeners[0])
    assert places(job_table) == [(third, 0)]


async def test_who_joins_one_that_waits_hears_its_place_at_once(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken(), cap_rows=2)
    enter(job_table, make_job(seed=1, deadline_at=500.0), seeded(1))
    job = make_job(seed=2, deadline_at=500.0, queue_events=True)
    enter(job_table, job, seeded(2))
    job_table.places(job_table.choose())
    _, listener = enter(job_table, job, seeded(2))
    assert listener.news.get_nowait() == Place(1)
    _, unfollowed = enter(job_table, make_job(seed=2, deadline_at=500.0), seeded(2))
    assert unfollowed.news.empty()


async def test_where_nobody_waits_nothing_is_looked_at(make_job: MakeJob) -> None:
    job_table = job_table_of(Woken())
    item, _ = enter(job_table, make_job(queue_events=True))
    item.painting = begun()
    chosen = job_table.choose()
    job_table._items = None  # type: ignore[assignment]
    assert job_table.places(chosen) == []


def seeded(seed: int) -> PaintRequest:
    return PaintRequest("words", "", 4, 7.5, seed, 64, 64)


def begun() -> Any:
    return type("Painting", (), {"steps": 4, "done": 0, "rows": 2})()


def places(job_table: JobTable) -> list[tuple[WorkItem, int]]:
    """Return the queue places that are reported to callers after the next choice."""
    reported = job_table.places(job_table.choose())
    return [
        (item, place.ahead)
        for listeners, place in reported
        for item in job_table.work_items()
        if item.listeners == listeners
    ]


@pytest.mark.parametrize(("forwards", "begun"), [([1], 4), ([2], 2), ([1, 1], 4)])
async def test_a_first_step_has_as_many_jobs_as_the_painter_has_room_for(
    make_job: MakeJob, forwards: list[int], begun: int
) -> None:
    """FLUX has one row per picture even with guidance, and Qwen-Image two forwards of one row."""
    job_table = job_table_of(Woken(), cap_rows=4, forwards=lambda request: forwards)
    work_items = [enter(job_table, make_job(no_store=True))[0] for _ in range(8)]
    assert len(job_table.choose()) == begun
    assert {(item.rows, item.calls) for item in work_items} == {(max(forwards), len(forwards))}


async def test_two_calls_a_step_take_twice_as_long(make_job: MakeJob) -> None:
    """Four steps of 10 ms fit into the remaining 50 ms, eight do not."""
    in_time = make_job(no_store=True, deadline_at=100.05)
    enter(job_table_of(Woken(), forwards=lambda request: [1]), in_time)
    with pytest.raises(DeadlineExceeded):
        enter(job_table_of(Woken(), forwards=lambda request: [1, 1]), in_time)
