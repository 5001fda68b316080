"""A key's waiting work after its end: held, cancelled, or still painted."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select

from serve.auth.key_store import KeyStore
from serve.config.access import EndedWork
from serve.jobs import ended_keys
from serve.jobs.job_admission import KeyEnded
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.state.tenant_tables import keys as keys_table

New = Callable[[int], list[NewScene]]
NOW = 1_000.0


@pytest.fixture
def keys(engine: Engine) -> KeyStore:
    return KeyStore(engine)


def claimed(leases: Leases) -> list[str]:
    """Claim all scenes that a worker would get now; return their jobs."""
    found = []
    while claim := leases.claim(NOW):
        found.append(claim.job_id)
    return found


def test_a_revoked_key_s_waiting_work_is_held_and_the_tenant_s_other_work_is_not(
    engine: Engine, store: JobStore, leases: Leases, keys: KeyStore, new: New
) -> None:
    leaked, other = keys.create("acme", ("jobs",))[0], keys.create("second", ("jobs",), "acme")[0]
    store.submit("a", "acme", new(3), NOW, key_id=leaked.id)
    store.submit("b", "acme", new(1), NOW, key_id=other.id)
    under_way = leases.claim(NOW)
    assert under_way and under_way.job_id == "a"
    keys.revoke(leaked.id)
    assert ended_keys.settle(engine, "hold", NOW) == 1
    assert ended_keys.settle(engine, "hold", NOW) == 0, "only once"
    assert claimed(leases) == ["b"]
    held = store.job("acme", "a")
    assert held and held.held and held.counts == {"queued": 2, "running": 1}
    assert leases.put_back(under_way.lease, 0.0), "the running scene is put back, and is held too"
    assert claimed(leases) == []
    assert store.release("another", "a") is None
    released = store.release(None, "a")
    assert released and not released.held
    assert ended_keys.settle(engine, "hold", NOW) == 0
    assert claimed(leases) == ["a"] * 3


@pytest.mark.parametrize(
    ("policy", "of_the_key", "statuses"),
    [
        ("cancel", None, {"cancelled": 2}),
        ("finish", None, {"queued": 2}),
        ("hold", "cancel", {"cancelled": 2}),
        ("cancel", "finish", {"queued": 2}),
        ("finish", "hold", {"queued": 2}),
    ],
)
def test_what_becomes_of_it_is_configured_and_said_of_a_key(
    engine: Engine,
    store: JobStore,
    leases: Leases,
    keys: KeyStore,
    new: New,
    policy: EndedWork,
    of_the_key: EndedWork | None,
    statuses: dict[str, int],
) -> None:
    key, _ = keys.create("acme", ("jobs",))
    store.submit("a", "acme", new(2), NOW, key_id=key.id)
    keys.revoke(key.id, of_the_key)
    ended_keys.settle(engine, policy, NOW)
    job = store.job("acme", "a")
    assert job and job.counts == statuses
    assert job.held == ((of_the_key or policy) == "hold")
    assert len(claimed(leases)) == (2 if (of_the_key or policy) == "finish" else 0)


def test_an_expired_key_s_waiting_work_is_held(
    engine: Engine, store: JobStore, leases: Leases, keys: KeyStore, new: New
) -> None:
    key, _ = keys.create("acme", ("jobs",), None, NOW + 10)
    store.submit("a", "acme", new(1), NOW, key_id=key.id)
    assert ended_keys.settle(engine, "hold", NOW + 9) == 0
    assert ended_keys.settle(engine, "hold", NOW + 10) == 1
    assert claimed(leases) == []


def test_a_key_that_is_replaced_loses_none_of_its_work(
    engine: Engine, store: JobStore, leases: Leases, keys: KeyStore, new: New
) -> None:
    key, _ = keys.create("acme", ("jobs",))
    store.submit("a", "acme", new(2), NOW, key_id=key.id)
    made = keys.replace(key.id)
    assert made and made[0].tenant == "acme"
    assert ended_keys.settle(engine, "hold", NOW) == 1
    assert claimed(leases) == ["a", "a"]


def test_a_key_that_has_ended_submits_nothing_more(store: JobStore, keys: KeyStore, new: New) -> None:
    """An edge that does not know of the end yet would admit the job after the key's work was settled."""
    revoked, expired = keys.create("a", ("jobs",))[0], keys.create("b", ("jobs",), None, NOW)[0]
    keys.revoke(revoked.id)
    for key_id in (revoked.id, expired.id, "nobody"):
        with pytest.raises(KeyEnded):
            store.submit("x", "a", new(1), NOW, key_id=key_id)
    assert store.job(None, "x") is None


def hold(engine: Engine, store: JobStore, keys: KeyStore, new: New) -> str:
    """Hold acme's job `a`, and return the id of its key, which was revoked."""
    key, _ = keys.create("acme", ("jobs",))
    store.submit("a", "acme", new(1), NOW, key_id=key.id)
    keys.revoke(key.id)
    ended_keys.settle(engine, "hold", NOW)
    return key.id


def test_what_nobody_releases_is_cancelled_in_the_end(
    engine: Engine, store: JobStore, keys: KeyStore, new: New
) -> None:
    hold(engine, store, keys, new)
    for held_s, status in ((2.0, "queued"), (1.0, "cancelled")):
        ended_keys.give_up(engine, held_s, NOW + 2)
        job = store.job("acme", "a")
        assert job and job.status == status and job.held == (status == "queued")


def test_a_second_word_on_a_revoked_key_counts(
    engine: Engine, store: JobStore, keys: KeyStore, new: New
) -> None:
    keys.revoke(hold(engine, store, keys, new), "cancel")
    assert ended_keys.settle(engine, "hold", NOW) == 1
    job = store.job("acme", "a")
    assert job and job.status == "cancelled"


def test_many_ended_keys_cost_a_poll_nothing(engine: Engine, keys: KeyStore) -> None:
    for number in range(20):
        keys.revoke(keys.create(f"t{number}", ("jobs",))[0].id)
    assert ended_keys.settle(engine, "hold", time.time()) == 20
    with engine.connect() as connection:
        unsettled = select(keys_table.c.id).where(keys_table.c.settled_at.is_(None))
        assert connection.execute(unsettled).all() == []
