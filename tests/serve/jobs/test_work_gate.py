"""Test that a worker at rest asks nothing of the database, and misses nothing that is written."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, event

from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.work_gate import WorkGate
from serve.webhooks import outbox
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
    """Return whether it is shut; that of PostgreSQL never is."""
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
    assert gate.may_have_work(), "it is tried again"
    assert leases.claim() is None
    submit(store, new(1), owner="another")
    second = leases.claim()
    assert second and second.job_id != claim.job_id
    assert leases.succeed(second.lease, "p", "png", {})
    assert gate.may_have_work(), "the first still waits"


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
    assert gate.may_have_work(), "it is sent again where this fails"
    outbox.delivered(engine, delivery)
    assert closed(gate, engine)
