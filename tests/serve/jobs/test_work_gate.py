"""An idle worker sends no queries to the database, and misses nothing that is written."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.work_gate import WorkGate
from serve.webhooks import outbox
from tests.support.databases import clear
from tests.support.job_rows import New, submit


@pytest.fixture
def gate(store: JobStore, engine: Engine) -> Iterator[WorkGate]:
    made = WorkGate(engine)
    yield made
    made.close()


@pytest.fixture
def queries(engine: Engine) -> Iterator[list[str]]:
    seen: list[str] = []

    def note(connection: object, cursor: object, statement: str, *rest: object) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


def closed(gate: WorkGate, engine: Engine) -> bool:
    """Return whether the gate is shut; always True for PostgreSQL, whose gate is never shut."""
    return engine.dialect.name != "sqlite" or not gate.may_have_work()


def test_an_empty_database_is_queried_once(gate: WorkGate, engine: Engine, queries: list[str]) -> None:
    assert closed(gate, engine)
    if engine.dialect.name == "sqlite":
        queries.clear()
        assert not any(gate.may_have_work() for _ in range(3))
        assert queries == []


def test_it_is_open_from_the_submission_until_the_last_scene_has_ended(
    gate: WorkGate, engine: Engine, store: JobStore, leases: Leases, new: New
) -> None:
    assert closed(gate, engine)
    submit(store, new(1))
    assert gate.may_have_work()
    claim = leases.claim()
    assert claim
    assert gate.may_have_work(), "its worker may die"
    assert leases.fail(claim.lease, {"code": "c", "message": "m"}, retry_in_s=3600)
    assert gate.may_have_work(), "the scene is retried"
    assert leases.claim() is None
    submit(store, new(1), owner="another")
    second = leases.claim()
    assert second and second.job_id != claim.job_id
    assert leases.succeed(second.lease, "p", "png", {})
    assert gate.may_have_work(), "the first scene still waits"


def test_it_is_shut_once_nothing_is_open(
    gate: WorkGate, engine: Engine, store: JobStore, leases: Leases, new: New
) -> None:
    submit(store, new(1))
    claim = leases.claim()
    assert claim and leases.succeed(claim.lease, "p", "png", {})
    assert closed(gate, engine)


def test_a_webhook_that_is_to_be_sent_opens_it(gate: WorkGate, engine: Engine) -> None:
    assert closed(gate, engine)
    with engine.begin() as connection:
        outbox.report(connection, "me", "https://example.org/", "budget.used", {}, now=1.0)
    assert gate.may_have_work()
    (delivery,) = outbox.claim(engine, 1)
    assert gate.may_have_work(), "it is resent if this attempt fails"
    outbox.delivered(engine, delivery)
    assert closed(gate, engine)


class Faulty:
    """A connection to SQLite whose cursors raise `fault` while it is set."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.fault: Exception | None = None
        self.closed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def cursor(self) -> Any:
        if self.fault:
            return Mock(execute=Mock(side_effect=self.fault))
        return self._connection.cursor()

    def close(self) -> None:
        self.closed = True
        self._connection.close()


class Watched:
    """A SQLite database: `opened` are the connections that watch it; new ones raise `away` if it is set."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.opened: list[Faulty] = []
        self.away: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def raw_connection(self) -> Faulty:
        if self.away:
            raise self.away
        self.opened.append(Faulty(self._engine.raw_connection()))
        return self.opened[-1]


@pytest.fixture
def watched(sqlite: Engine) -> Any:
    clear(sqlite)
    return Watched(sqlite)


FAULTS = [sqlite3.OperationalError("disk I/O error"), sqlite3.DatabaseError("file is not a database")]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_of_the_watcher_is_the_databases_and_misses_nothing(
    watched: Any, sqlite: Engine, new: New, fault: Exception
) -> None:
    """A new connection starts counting writes again from the same number."""
    gate = WorkGate(watched)
    assert not gate.may_have_work()
    (broken,) = watched.opened
    broken.fault = fault
    submit(JobStore(sqlite), new(1))
    with pytest.raises(SQLAlchemyError, match=str(fault)):
        gate.may_have_work()
    assert broken.closed
    assert gate.may_have_work()
    clear(sqlite)
    assert not gate.may_have_work()
    gate.close()
    assert [each.closed for each in watched.opened] == [True, True]


def test_so_is_one_of_opening_another(watched: Any) -> None:
    gate = WorkGate(watched)
    watched.away = sqlite3.OperationalError("unable to open database file")
    with pytest.raises(SQLAlchemyError, match="unable to open"):
        gate.may_have_work()
    watched.away = None
    assert not gate.may_have_work()
    gate.close()
