"""An edge replica's cache of keys: new keys are known at once, and unknown ones have a bounded cost."""

from __future__ import annotations

import asyncio
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from deployments.errors import NotReady
from serve.auth import key_cache
from serve.auth.key_cache import KeyCache
from serve.auth.key_store import KeyStore, open_keys
from serve.http.error_responses import Refusal


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return open_keys(tmp_path)


class Reads:
    """A store that counts its reads."""

    def __init__(self, store: KeyStore) -> None:
        self._store, self.count = store, 0

    def __getattr__(self, name: str) -> object:
        self.count += name == "read"
        return getattr(self._store, name)


async def refused(cache: KeyCache, offered: str) -> bool:
    try:
        await cache.find(offered)
    except (Refusal, NotReady):
        return True
    return False


async def test_a_new_key_is_known_at_its_first_request(store: KeyStore) -> None:
    cache = KeyCache(lambda: store)
    for name in ("first", "second", "third"):
        key, whole = store.create(name, ("generate",))
        assert (await cache.find(whole)).id == key.id


async def test_a_new_key_is_known_where_timers_end_early(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's event loop is uvloop, whose timers have a resolution of a millisecond."""
    sleep = asyncio.sleep
    monkeypatch.setattr(asyncio, "sleep", lambda seconds: sleep(0))
    ticks = count()
    cache = KeyCache(lambda: store, clock=lambda: next(ticks) / 1e3)
    for name in ("first", "second", "third"):
        key, whole = store.create(name, ("generate",))
        assert (await cache.find(whole)).id == key.id


async def test_a_new_key_is_not_refused_where_the_keys_cannot_be_read(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = KeyCache(lambda: store)
    known, unknown = (store.create(name, ("generate",)) for name in ("known", "unknown"))
    await cache.find(known[1])
    cache._keys.pop(unknown[0].id)

    def fail(_: KeyStore) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(KeyStore, "read", fail)
    assert (await cache.find(known[1])).id == known[0].id
    for look in (cache.find(unknown[1]), cache.find_minting(unknown[0].id)):
        with pytest.raises(NotReady, match="the keys cannot be read"):
            await look


async def test_strangers_cost_a_read_in_a_tenth_of_a_second(
    store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_cache, "NEW_EVERY_S", 3_600.0)
    reads = Reads(store)
    cache = KeyCache(lambda: reads)  # type: ignore[arg-type, return-value]
    assert not await refused(cache, store.create("me", ("generate",))[1])
    sending = [asyncio.ensure_future(refused(cache, f"sw_{n:08x}_x")) for n in range(100)]
    while (ended := sum(task.done() for task in sending)) < 100 - key_cache.MOST_WAITING:
        await asyncio.sleep(0)
    assert (ended, reads.count) == (100 - key_cache.MOST_WAITING, 1), "the others wait their turn"
    for task in sending:
        task.cancel()
    await asyncio.gather(*sending, return_exceptions=True)
    assert cache._waiting == 0


@pytest.mark.parametrize(
    "offered", ["", "x", "sw_", "sw__", "sw_0_", "\udcff", "sk_00000000_x", "sw_" + "0" * 9_999]
)
async def test_what_is_no_key(store: KeyStore, offered: str) -> None:
    assert await refused(KeyCache(lambda: store), offered)
