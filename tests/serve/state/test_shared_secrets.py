"""Signing secrets: rotation while replicas run, and the validity of earlier signatures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from serve.api.token_request import MOST_S
from serve.config.kept_config import ResultConfig
from serve.state import shared_secrets
from serve.state.database import open_database
from serve.state.shared_secrets import (
    KNOWN_AFTER_S,
    LASTS_S,
    READ_EVERY_S,
    SharedSecrets,
    all_secrets,
    rotate,
    shared_secret,
)

DAY_S = 86_400.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'jobs.sqlite'}")
    yield engine
    engine.dispose()


def secrets_at(engine: Engine, now: float) -> list[bytes]:
    return [each.secret for each in all_secrets(engine, "links", now)[0]]


def test_the_new_one_signs_once_all_know_it_and_the_old_one_verifies_to_the_end(engine: Engine) -> None:
    old = shared_secret(engine, "links")
    assert secrets_at(engine, 0.0) == [old]
    signs_from = rotate(engine, "links", now=100.0)
    new, before = all_secrets(engine, "links", 100.0)[0]
    assert (new.signs_from, signs_from, before.secret) == (100.0 + KNOWN_AFTER_S,) * 2 + (old,)
    assert KNOWN_AFTER_S > READ_EVERY_S, "every replica has read the new secret by then"
    last_link_ends = signs_from + 7 * DAY_S
    assert secrets_at(engine, last_link_ends - 1) == [new.secret, old]
    assert secrets_at(engine, last_link_ends) == [new.secret]


def test_several_in_a_row_and_other_names(engine: Engine) -> None:
    for at in (0.0, 1.0, 2.0):
        rotate(engine, "links", now=at)
    assert len(secrets_at(engine, 3.0)) == 4
    rotate(engine, "links", now=30 * DAY_S)
    assert len(secrets_at(engine, 30 * DAY_S)) == 2, "secrets that verify nothing any more are dropped"
    assert len(all_secrets(engine, "tokens", 3.0)[0]) == 1


def test_at_once_nothing_of_before_verifies(engine: Engine) -> None:
    old = shared_secret(engine, "links")
    rotate(engine, "links", now=0.0)
    signs_from = rotate(engine, "links", at_once=True, now=50.0)
    (only,) = all_secrets(engine, "links", 50.0)[0]
    assert only.signs_from == signs_from == 50.0 and only.secret != old
    assert shared_secret(engine, "links") == only.secret, "an earlier version signs with the new secret too"


def test_a_replica_reads_them_again_and_goes_on_where_it_cannot(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    known = SharedSecrets(engine, "links", lambda: now)
    old = known.signing()
    rotate(engine, "links", at_once=True)
    assert known.signing() == old and known.is_fresh()
    now = READ_EVERY_S
    assert not known.is_fresh()
    new = known.signing()
    assert new != old and known.verifying() == [new]

    def broken(*arguments: object) -> None:
        raise OperationalError("", None, Exception())

    monkeypatch.setattr(shared_secrets, "all_secrets", broken)
    now = 3 * READ_EVERY_S
    assert known.signing() == new
    with pytest.raises(OperationalError):
        SharedSecrets(engine, "tokens").signing()


def test_nothing_that_is_signed_outlasts_its_secret() -> None:
    longest = ResultConfig.model_fields["link_ttl_s"].metadata
    assert {"links": next(each.le for each in longest if hasattr(each, "le")), "tokens": MOST_S} == LASTS_S
