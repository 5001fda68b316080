"""Deliveries in the database: when they are due, who takes them, how often they are tried."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from serve.jobs.job_ids import new_job_id
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.webhooks import outbox
from serve.webhooks.outbox import LEASE_S, RETRY_AFTER_S

New = Callable[[int], list[NewScene]]
URL = "https://hooks.example.com/done"


@pytest.fixture
def submit(store: JobStore, new: New) -> Callable[..., str]:
    def submit(owner: str = "me", count: int = 1, now: float = 0.0) -> str:
        return store.submit(new_job_id(), owner, new(count), now, webhook_url=URL)

    return submit


def succeed_all(leases: Leases, now: float) -> None:
    while claim := leases.claim(now):
        assert leases.succeed(claim.lease, "p", "jpeg", {}, now)


def test_it_is_due_once_the_last_scene_has_ended(
    engine: Engine, store: JobStore, leases: Leases, submit: Callable[..., str]
) -> None:
    job_id = submit(count=2)
    first = leases.claim(1)
    assert first and leases.succeed(first.lease, "p", "jpeg", {}, 1)
    assert outbox.claim(engine, 9, now=2) == []
    assert (job := store.job("me", job_id)) and job.webhook and job.webhook.status == "pending"
    second = leases.claim(3)
    assert second and leases.fail(second.lease, {"code": "x", "message": "y"}, None, 3)
    (delivery,) = outbox.claim(engine, 9, now=4)
    assert (delivery.job_id, delivery.url, delivery.attempts) == (job_id, URL, 0)
    reported = outbox.payload(engine, job_id)
    assert (
        reported and reported["type"] == "job.ended" and reported["timestamp"] == "1970-01-01T00:00:03+00:00"
    )
    assert reported["data"] == {
        "id": job_id,
        "status": "failed",
        "total": 2,
        "done": 1,
        "failed": 1,
        "created": 0,
    }


def test_a_cancelled_job_is_reported_too(engine: Engine, store: JobStore, submit: Callable[..., str]) -> None:
    job_id = submit(count=3)
    store.cancel("me", job_id, 1)
    assert [each.job_id for each in outbox.claim(engine, 9, now=2)] == [job_id]
    assert (reported := outbox.payload(engine, job_id)) and reported["data"]["status"] == "cancelled"


def test_nobody_else_takes_one_that_is_under_way(
    engine: Engine, leases: Leases, submit: Callable[..., str]
) -> None:
    submit()
    succeed_all(leases, 1)
    (first,) = outbox.claim(engine, 9, now=2)
    assert outbox.claim(engine, 9, now=2 + LEASE_S - 1) == []
    (again,) = outbox.claim(engine, 9, now=2 + LEASE_S)
    assert again.id == first.id, "its sender died, so it is sent again with the same id"
    outbox.delivered(engine, first, now=200)
    outbox.failed(engine, again, "late", now=201)
    assert outbox.listed(engine)[0].status == "delivered", "the first outcome counts"


def test_it_is_tried_for_a_day(engine: Engine, leases: Leases, submit: Callable[..., str]) -> None:
    submit()
    succeed_all(leases, 0)
    now, tried = 0.0, 0
    while claimed := outbox.claim(engine, 9, now=now):
        (delivery,) = claimed
        tried += 1
        if not outbox.failed(engine, delivery, "responded with 500", now=now):
            break
        assert outbox.claim(engine, 9, now=now + 1) == []
        now = outbox.listed(engine)[0].due_at
    assert tried == len(RETRY_AFTER_S) + 1 and 23 * 3_600 < now <= 24 * 3_600
    (given_up,) = outbox.listed(engine)
    assert (given_up.status, given_up.last_error) == ("failed", "responded with 500")
    assert outbox.claim(engine, 9, now=1e9) == []


def test_an_error_of_any_letters_is_written_down(
    engine: Engine, leases: Leases, submit: Callable[..., str]
) -> None:
    submit()
    succeed_all(leases, 0)
    (delivery,) = outbox.claim(engine, 9, now=1)
    assert outbox.failed(engine, delivery, "a \0 and half a letter \udc80", now=1)
    assert outbox.listed(engine)[0].last_error == "a   and half a letter  "


def test_one_that_was_given_up_is_sent_again_on_demand(
    engine: Engine, leases: Leases, submit: Callable[..., str]
) -> None:
    submit()
    succeed_all(leases, 0)
    (delivery,) = outbox.claim(engine, 9, now=1)
    outbox.failed(engine, delivery, "responded with 410", final=True, now=1)
    assert outbox.claim(engine, 9, now=1e6) == []
    assert outbox.replay(engine, delivery.id, now=1e6)
    assert [each.id for each in outbox.claim(engine, 9, now=1e6)] == [delivery.id]
    assert not outbox.replay(engine, "msg_none")


def test_tenants_that_are_busy_leave_the_places_to_others(
    engine: Engine, leases: Leases, submit: Callable[..., str]
) -> None:
    for owner in ("me", "me", "you"):
        submit(owner)
    succeed_all(leases, 1)
    assert [each.owner for each in outbox.claim(engine, 9, places={"me": 0}, now=2)] == ["you"]
    assert {each.owner for each in outbox.listed(engine, "me")} == {"me"}


def test_a_tenant_gets_no_more_than_its_places(
    engine: Engine, leases: Leases, submit: Callable[..., str]
) -> None:
    for owner in ("me", "me", "me", "you"):
        submit(owner)
    succeed_all(leases, 1)
    first = outbox.claim(engine, 4, places={"me": 1, "else": 2}, now=2)
    assert sorted(each.owner for each in first) == ["me", "you"]
    assert [each.owner for each in outbox.claim(engine, 4, now=2)] == ["me", "me"], (
        "the other deliveries are still due"
    )


def test_a_job_stays_until_its_delivery_has_ended(
    engine: Engine, store: JobStore, leases: Leases, submit: Callable[..., str]
) -> None:
    told, given_up = submit(), submit()
    succeed_all(leases, 1)
    assert leases.forget(5, now=100) == 0
    for delivery in outbox.claim(engine, 9, now=100):
        if delivery.job_id == told:
            outbox.delivered(engine, delivery, now=101)
        else:
            assert outbox.failed(engine, delivery, "responded with 500", now=101)
    assert leases.forget(5, now=102) == 1
    assert store.job("me", told) is None and store.job("me", given_up)
    (delivery,) = outbox.claim(engine, 9, now=200)
    outbox.failed(engine, delivery, "responded with 410", final=True, now=200)
    assert leases.forget(5, now=201) == 1


def test_a_job_that_is_removed_takes_its_delivery_along(
    engine: Engine, store: JobStore, leases: Leases, submit: Callable[..., str]
) -> None:
    job_id = submit()
    succeed_all(leases, 1)
    store.remove("me", job_id)
    assert outbox.claim(engine, 9, now=2) == outbox.listed(engine) == []
    assert outbox.payload(engine, job_id) is None
