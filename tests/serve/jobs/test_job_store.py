from __future__ import annotations

import pytest

from serve.jobs.job_admission import OtherBody, TooManyWaiting
from serve.jobs.job_ids import new_job_id
from serve.jobs.job_rows import LATELY_S
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from tests.support.job_rows import New, submit

DAY_S = 86_400


def test_a_new_job_waits(store: JobStore, new: New) -> None:
    job_id = submit(store, new(3), now=5)
    job = store.job("me", job_id)
    assert job is not None
    assert (job.status, job.total, job.created_at) == ("queued", 3, 5)
    assert [scene.status for scene in job.scenes] == ["queued"] * 3
    assert store.job("me", new_job_id()) is None


def test_nobody_sees_anothers(store: JobStore, new: New) -> None:
    job_id = submit(store, new(1))
    for question in (store.job, store.counts):
        assert question("you", job_id) is None
    assert store.scene("you", job_id, 0) is None
    assert store.cancel("you", job_id, 1) is None
    assert store.page("you", 10) == []
    assert (job := store.job("me", job_id)) and job.status == "queued"


def test_the_same_key_is_the_same_job(store: JobStore, new: New) -> None:
    first = submit(store, new(1), key="k", body_hash="a")
    assert submit(store, new(1), key="k", body_hash="a", now=DAY_S) == first
    with pytest.raises(OtherBody):
        submit(store, new(1), key="k", body_hash="b")
    assert submit(store, new(1), owner="you", key="k", body_hash="b") != first
    assert submit(store, new(1), key="k", body_hash="b", now=DAY_S + 1) != first, (
        "the key is free after a day"
    )
    assert store.job("me", first)


def test_what_may_wait_is_bounded_for_each_caller(store: JobStore, new: New, leases: Leases) -> None:
    submit(store, new(3), max_waiting=4)
    with pytest.raises(TooManyWaiting) as refused:
        submit(store, new(2), max_waiting=4)
    assert refused.value.retry_after_s is None, "nothing was done yet"
    submit(store, new(4), owner="you", now=1, max_waiting=4)
    assert (claim := leases.claim(1))
    assert leases.succeed(claim.lease, "p", "jpeg", {}, 2)
    with pytest.raises(TooManyWaiting) as refused:
        submit(store, new(5), now=10, max_waiting=4)
    assert refused.value.retry_after_s == 3 * LATELY_S, "one was done in that time, and three must be"
    submit(store, new(2), max_waiting=4)


def test_pages(store: JobStore, new: New) -> None:
    ids = [submit(store, new(1), now=now) for now in (1, 2, 2, 3)]
    seen, after = [], None
    while page := store.page("me", 3, after):
        seen += [job.id for job in page]
        after = (page[-1].created_at, page[-1].id)
    assert seen == [ids[3], *sorted(ids[1:3], reverse=True), ids[0]]


def test_statuses(store: JobStore, new: New, leases: Leases) -> None:
    job_id = submit(store, new(3))

    def status() -> str:
        job = store.job("me", job_id)
        counted = store.counts("me", job_id)
        assert job and counted and (job.status, job.counts) == (counted.status, counted.counts)
        assert store.page("me", 1)[0].status == job.status
        return job.status

    first, second = leases.claim(1), leases.claim(1)
    assert first and second and status() == "running"
    leases.succeed(first.lease, "p", "jpeg", {"X-Seed": "1"}, 2)
    leases.fail(second.lease, {"code": "c", "message": "m"}, None, 2)
    assert status() == "running", "one scene still waits"
    third = leases.claim(3)
    assert third
    leases.succeed(third.lease, "p", "jpeg", {}, 4)
    assert status() == "failed", "one scene failed"
    scene = store.scene("me", job_id, 0)
    assert scene and (scene.picture, scene.format, scene.headers) == ("p", "jpeg", {"X-Seed": "1"})
    failed = store.scene("me", job_id, 1)
    assert failed and failed.error == {"code": "c", "message": "m"}
    assert store.scene("me", job_id, 3) is None


def test_cancelling_keeps_what_has_ended(store: JobStore, new: New, leases: Leases) -> None:
    job_id = submit(store, new(3))
    done, under_way = leases.claim(1), leases.claim(1)
    assert done and under_way
    leases.succeed(done.lease, "p", "jpeg", {}, 2)
    job = store.cancel("me", job_id, 3)
    assert job and (job.status, job.counts) == ("cancelled", {"succeeded": 1, "cancelled": 2})
    assert leases.renew([under_way.lease], 4) == set()
    assert not leases.succeed(under_way.lease, "late", "jpeg", {}, 5)
    assert leases.claim(6) is None
    assert (again := store.cancel("me", job_id, 7)) and again.counts == job.counts


def test_a_job_that_has_ended_is_not_cancelled(store: JobStore, new: New, leases: Leases) -> None:
    job_id = submit(store, new(1))
    claim = leases.claim(1)
    assert claim and leases.succeed(claim.lease, "p", "jpeg", {}, 2)
    job = store.cancel("me", job_id, 3)
    assert job and job.status == "succeeded"


def test_a_job_that_waits_knows_how_many_scenes_come_first(store: JobStore, new: New, leases: Leases) -> None:
    submit(store, new(2), now=1)
    submit(store, new(5), owner="you", now=2)
    job_id = submit(store, new(1), now=3)
    submit(store, new(7), now=4)
    assert ahead(store, job_id) == 2, "the owner's earlier scenes"
    for left in (2, 1):
        claim = leases.claim(5)
        while claim and store.scene("me", claim.job_id, claim.number) is None:
            claim = leases.claim(5)
        assert claim and ahead(store, job_id) == left, "a running scene still comes first"
        leases.succeed(claim.lease, "p", "jpeg", {}, 6)
    assert ahead(store, job_id) == 0


def ahead(store: JobStore, job_id: str) -> int:
    job = store.job("me", job_id)
    assert job is not None
    return job.ahead
