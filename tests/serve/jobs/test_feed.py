from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace

import pytest

from deployments.errors import NotReady
from serve.jobs.feed import JobFeed
from serve.jobs.open_work import OpenJob
from serve.jobs.states import JobState


class Store:
    """Jobs by id, and how often they were read."""

    def __init__(self, **jobs: JobState) -> None:
        self.jobs = jobs
        self.looks = 0
        self.loads = 0
        self.fault: Exception | None = None

    async def look(self, owners: Collection[str]) -> dict[str, OpenJob]:
        self.looks += 1
        if self.fault is not None:
            raise self.fault
        return {each.id: open_job(each) for each in self.jobs.values()}

    async def load(self, owner: str, job_id: str) -> JobState:
        self.loads += 1
        return self.jobs[job_id]


def job(job_id: str, created_at: float = 0.0, **counts: int) -> JobState:
    return JobState(job_id, created_at, sum(counts.values()), False, counts, owner="a")


def open_job(state: JobState) -> OpenJob:
    queued, running = (state.counts.get(status, 0) for status in ("queued", "running"))
    return OpenJob(state.owner, state.created_at, queued, running, state.held)


async def looked(store: Store, times: int = 3) -> None:
    seen = store.looks
    async with asyncio.timeout(30):
        while store.looks < seen + times:
            await asyncio.sleep(0.001)


async def test_idle_streams_share_one_question_and_read_no_job() -> None:
    store = Store(x=job("x", queued=2), y=job("y", 1.0, queued=3))
    store.jobs["y"] = replace(store.jobs["y"], ahead=2)
    feed = JobFeed(store.look, store.load, 0.001)
    with ExitStack() as readers:
        waiting = []
        for each in [*store.jobs.values()] * 100:
            entry = readers.enter_context(feed.following(each))
            waiting.append(asyncio.ensure_future(entry.after(entry.state)))
        await looked(store)
        assert store.loads == 0
        assert not any(task.done() for task in waiting)
        store.jobs["x"] = job("x", queued=1, succeeded=1)
        async with asyncio.timeout(30):
            reported = await asyncio.gather(*waiting)
        assert store.loads == 1, "the changed job is read once for all of its streams"
        assert {state.id: state.ahead for state in reported} == {"x": 0, "y": 1}
    requested = store.looks
    await asyncio.sleep(0.02)
    assert store.looks <= requested + 1, "without readers the database is not polled"


async def test_a_fault_reaches_every_reader_and_later_ones_start_over() -> None:
    store = Store(x=job("x", queued=1))
    feed = JobFeed(store.look, store.load, 0.001)
    with feed.following(store.jobs["x"]) as first, feed.following(store.jobs["x"]) as second:
        store.fault = NotReady("no database")
        for reader in (first, second):
            with pytest.raises(NotReady):
                await reader.after(reader.state)
        store.fault = None
        with feed.following(store.jobs["x"]) as third:
            store.jobs["x"] = job("x", succeeded=1)
            async with asyncio.timeout(30):
                assert (await third.after(third.state)).status == "succeeded"


async def test_readers_are_reported_that_a_job_is_held_and_released() -> None:
    store = Store(x=job("x", queued=1))
    feed = JobFeed(store.look, store.load, 0.001)
    with feed.following(store.jobs["x"]) as reader:
        async with asyncio.timeout(30):
            for held in (True, False):
                seen = reader.state
                store.jobs["x"] = replace(seen, held=held)
                assert (await reader.after(seen)).held is held
    assert store.loads == 0
