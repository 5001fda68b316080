"""The store of tenants and keys, in SQLite and in PostgreSQL."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from serve.auth.key_store import KeyFault, KeyStore, open_keys


@pytest.fixture
def kept(engine: Engine) -> KeyStore:
    return KeyStore(engine)


def test_only_a_hash_is_kept(tmp_path: Path) -> None:
    key, whole = open_keys(tmp_path).create("me", ("generate",), rate=2.0)
    assert whole.startswith(f"sw_{key.id}_") and len(whole.split("_", 2)[2]) == 43
    for file in tmp_path.iterdir():
        assert whole.split("_", 2)[2].encode() not in file.read_bytes()
        assert file.stat().st_mode & 0o777 == 0o600
    assert open_keys(tmp_path).all() == (key,)
    assert key.is_of(whole) and (key.tenant, key.rate, key.burst) == ("me", 2.0, None)


def test_a_tenant_has_several_keys_and_one_set_of_limits(kept: KeyStore) -> None:
    first, _ = kept.create("the site", ("generate",), None, None, 16, rate=3.0)
    second, _ = kept.create("its batch", ("jobs",), "the site", time.time() + 60)
    assert (second.tenant, second.rate, second.concurrent) == ("the site", 3.0, 16)
    assert second.expires_at and not first.expires_at
    assert kept.limit("the site", rate=None, concurrent=2) and not kept.limit("another", rate=1)
    assert {(key.rate, key.concurrent) for key in kept.all()} == {(3.0, 2)}


def test_a_name_that_is_taken_is_no_way_into_another_tenant(kept: KeyStore) -> None:
    kept.create("the site", ("jobs",))
    with pytest.raises(KeyFault, match="there is already a tenant the site"):
        kept.create("the site", ("jobs",))
    with pytest.raises(KeyFault, match="already has limits"):
        kept.create("more", ("jobs",), "the site", rate=9.0)
    assert len(kept.all()) == 1


@pytest.mark.parametrize("tenant", ["", " x", "x ", "x" * 65, "a\nb", "a\0b"])
def test_what_no_tenant_is_called(kept: KeyStore, tenant: str) -> None:
    with pytest.raises(KeyFault, match="1 to 64 printable characters"):
        kept.create("x", ("jobs",), tenant)


def test_revoked_for_good(kept: KeyStore) -> None:
    key, _ = kept.create("me", ("jobs",))
    revoked = kept.revoke(key.id)
    assert revoked and revoked.revoked_at and revoked.end(0) == "was revoked"
    assert kept.revoke(key.id) == revoked
    assert kept.revoke(key.id, "cancel") == replace(revoked, work="cancel")
    assert kept.revoke("nobody") is None


def test_replaced_at_once_or_after_a_while(kept: KeyStore) -> None:
    key, _ = kept.create("me", ("jobs",))
    made = kept.replace(key.id, grace_s=60)
    assert made and (made[0].tenant, made[0].scopes, made[0].id != key.id) == ("me", ("jobs",), True)
    old = next(each for each in kept.all() if each.id == key.id)
    assert old.end(time.time()) is None and old.end(time.time() + 61) == "has expired"
    again = kept.replace(made[0].id)
    assert again
    states = {each.id: (each.end(time.time()), each.work) for each in kept.all()}
    assert states[made[0].id] == ("was revoked", "finish") and states[again[0].id] == (None, None)
    with pytest.raises(KeyFault, match="was revoked"):
        kept.replace(made[0].id)
    assert kept.replace("nobody") is None


def test_last_use_only_moves_forward(kept: KeyStore) -> None:
    key, _ = kept.create("me", ("jobs",))
    for at, seen in ((5.0, 5.0), (3.0, 5.0), (9.0, 9.0)):
        kept.used(key.id, at)
        assert kept.all()[0].last_used_at == seen
