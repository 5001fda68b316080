"""A token's budget is given back only for work that was never done."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from serve.auth.browser_tokens import TokenStore
from serve.auth.keys import Key
from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from tests.support.job_rows import submit

SCENES = [NewScene("{}", 60.0, megapixel_steps=2.0) for _ in range(3)]
ERROR = {"code": "c", "message": "m"}


@pytest.fixture
def token_id(engine: Engine, store: JobStore) -> str:
    """Return the id of a token with ten megapixel-steps, of which a job of three scenes has taken six."""
    key = Key(id="k", tenant="me", name="k", sha256="", scopes=("jobs",), created_at=0.0)
    token, _ = TokenStore(engine).mint(key, ("jobs",), 60.0, megapixel_steps=10.0, now=0.0)
    submit(store, SCENES, token_id=token.id)
    return token.id


def left(engine: Engine, token_id: str, amount: float) -> bool:
    """Return whether `amount` is left, but not `amount + 1`."""
    tokens = TokenStore(engine)
    return not tokens.spend(token_id, amount + 1) and tokens.spend(token_id, amount)


def test_scenes_that_nobody_began_are_given_back_once(
    engine: Engine, store: JobStore, leases: Leases, token_id: str
) -> None:
    claim = leases.claim(1)
    assert claim
    for _ in range(2):
        store.cancel("me", claim.job_id)
    assert left(engine, token_id, 8.0), "a scene that was begun is paid for"


def test_one_that_failed_for_good_is_given_back(engine: Engine, leases: Leases, token_id: str) -> None:
    for _ in range(2):
        claim = leases.claim(1)
        assert claim and leases.fail(claim.lease, ERROR, 0.0, 1)
    hopeless = leases.claim(1)
    assert hopeless and leases.fail(hopeless.lease, ERROR, None, 1)
    assert left(engine, token_id, 6.0)


def test_one_whose_workers_died_again_and_again_is_given_back(
    engine: Engine, leases: Leases, token_id: str
) -> None:
    for n in range(4):
        assert leases.claim(100.0 * n)
        leases.recover(100.0 * n + 50)
    assert left(engine, token_id, 6.0)


def test_one_that_was_made_is_paid_for_whatever_comes(
    engine: Engine, store: JobStore, leases: Leases, token_id: str
) -> None:
    claim = leases.claim(1)
    assert claim and leases.begin_keeping(claim.lease, "p", 1)
    assert leases.succeed(claim.lease, "p", "png", {}, 1)
    store.cancel("me", claim.job_id)
    assert left(engine, token_id, 8.0)


def test_other_jobs_give_it_nothing(engine: Engine, store: JobStore, token_id: str) -> None:
    other = submit(store, SCENES)
    store.cancel("me", other)
    assert left(engine, token_id, 4.0)


def test_it_may_have_ended_meanwhile(engine: Engine, store: JobStore, token_id: str) -> None:
    key = Key(id="k", tenant="me", name="k", sha256="", scopes=("jobs",), created_at=0.0)
    TokenStore(engine).mint(key, ("jobs",), 60.0, now=1_000.0)
    assert TokenStore(engine).find(token_id) is None
    job = store.page("me", 1)[0].id
    cancelled = store.cancel("me", job)
    assert cancelled and cancelled.cancelled
