from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from deployments.errors import NotReady
from deployments.messages import LayerJob, Unanswered, Usage
from serve.graph.bill import Bill, Used, billed, count_picture
from serve.usage import recorder, usage_store
from serve.usage.recorder import UsageRecorder

FIRST, LAST = date(1970, 1, 1), date(2100, 1, 1)
ME = ("a", "k1")


class Clocked:
    def __init__(self, engine: Engine) -> None:
        self.now, self.engine = 0.0, engine
        self.reports: list[Unanswered] = []
        self.down = False
        self.recorder = UsageRecorder(self.open, lambda: self.reports, lambda: self.now)

    def open(self) -> Engine:
        if self.down:
            raise OperationalError("connect", None, Exception("down"))
        return self.engine

    def total(self, tenant: str = "a") -> Used:
        return usage_store.total(self.engine, tenant, FIRST, LAST, None)


@pytest.fixture
def clocked(engine: Engine) -> Clocked:
    return Clocked(engine)


def fail(clocked: Clocked, job: LayerJob) -> None:
    with suppress(RuntimeError), clocked.recorder.recording(ME), billed(job):
        count_picture()
        raise RuntimeError


async def test_a_request_that_fails_is_charged_for_what_the_replicas_report_later(
    clocked: Clocked, make_job: Callable[..., LayerJob]
) -> None:
    job = make_job(request_id="r")
    fail(clocked, job)
    await clocked.recorder.write()
    assert clocked.total() == Used()
    entry: Unanswered = ("e1", "a", "r", "character", 1.5, 0.25)
    clocked.reports = [
        entry,
        ("e2", "b", "r", "character", 9.0, 9.0),
        ("e3", "a", "x", "character", 9.0, 9.0),
    ]
    for _ in range(3):  # the same report is repeated for a while
        await clocked.recorder.write()
    assert clocked.total() == Used(0, Usage(1.5, 0.25))
    # The same id again, since callers choose their ids.
    fail(clocked, job)
    clocked.reports = [entry, ("e4", "a", "r", "character", 1.0, 0.25)]
    await clocked.recorder.write()
    assert clocked.total() == Used(0, Usage(2.5, 0.5))
    clocked.now = recorder.LATE_S + 1
    await clocked.recorder.write()
    clocked.reports = [("e5", "a", "r", "character", 7.0, 7.0)]
    await clocked.recorder.write()
    assert clocked.total() == Used(0, Usage(2.5, 0.5))


async def test_while_the_database_is_away_nothing_is_lost(clocked: Clocked) -> None:
    clocked.down = True
    for _ in range(2):
        clocked.recorder.record(ME, Bill(Usage(1.0, 1.0), 1))
        await clocked.recorder.write()
    with pytest.raises(NotReady):
        await clocked.recorder.read(lambda engine: None)
    clocked.down = False
    await clocked.recorder.write()
    assert clocked.total() == Used(2, Usage(2.0, 2.0))


@pytest.mark.parametrize("fails", [False, True])
async def test_a_reader_that_leaves_while_it_is_written_counts_nothing_twice(
    clocked: Clocked, fails: bool
) -> None:
    writing, go_on = threading.Event(), threading.Event()

    def opened_late() -> Engine:
        writing.set()
        assert go_on.wait(20)
        if fails and not failed.is_set():
            failed.set()
            raise OperationalError("connect", None, Exception("down"))
        return clocked.engine

    failed = threading.Event()
    usage = UsageRecorder(opened_late, list)
    usage.record(ME, Bill(Usage(1.0, 1.0), 1))
    reader = asyncio.create_task(usage.read(lambda engine: None))
    assert await asyncio.to_thread(writing.wait, 20)
    reader.cancel()
    with suppress(asyncio.CancelledError):
        await reader
    go_on.set()
    await usage.write()  # waits for the write in progress, and writes the rest
    await usage.write()
    assert clocked.total() == Used(1, Usage(1.0, 1.0))


async def test_what_nothing_was_used_for_opens_no_database(engine: Engine) -> None:
    def never() -> Engine:
        raise AssertionError("opened")

    nothing = UsageRecorder(never, list)
    with nothing.recording(ME):
        pass
    await nothing.write()
