"""An edge replica's copy of the keys, read again from the database once a second while in use."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import NotReady

from ..http.error_responses import Refusal
from ..telemetry.logs import logger
from .key_store import KeyStore
from .keys import Key, digest, id_in

CHECK_EVERY_S = 1.0
"""A revoked key may still be accepted for this long."""
STALE_AFTER_S = 10.0
"""The keys read last stay valid for this long while the database cannot be read."""
NEW_EVERY_S = 0.1
"""The shortest time between two reads for offered keys that are not known yet."""
MOST_WAITING = 32
"""The most requests that wait for such a read at once. Others are refused with a Retry-After."""
RETRY_S = 1.0
READ_TIMEOUT_S = 5.0
FAULT_RETRY_S = 5.0
NOTE_USE_EVERY_S = 60.0
NO_KEY = "send a key: Authorization: Bearer sw_…"
UNKNOWN = "this key is not known here"
UNREADABLE = "the keys cannot be read at present"
FAULTS = (SQLAlchemyError, OSError, ValueError, TimeoutError)


class KeyCache:
    """Find offered keys in a copy of all keys.

    `open_store` is called for the first key, in a thread. `clock` is monotonic. Keys expire by the database's
    clock, which is read together with them.
    """

    def __init__(
        self,
        open_store: Callable[[], KeyStore],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open_store, self._clock = open_store, clock
        self._store: KeyStore | None = None
        self._keys: dict[str, Key] = {}
        self._read_at = float("-inf")
        self._store_now = 0.0
        self._reading: asyncio.Task[None] | None = None
        self._waiting = 0
        self._used: dict[str, float] = {}
        self._noting: set[asyncio.Task[None]] = set()

    async def find(self, offered: str) -> Key:
        """Return the key that was offered. Raises Refusal 401, and NotReady if the keys cannot be read."""
        key_id = id_in(offered)
        if key_id is None:
            raise Refusal(401, "unauthenticated", UNKNOWN)
        await self.refresh()
        if key_id not in self._keys:
            await self._look_for_new()
        key = self._keys.get(key_id)
        if key is None:
            digest(offered)  # An unknown id takes as long as a wrong secret.
        if key is None or not key.is_of(offered):
            raise Refusal(401, "unauthenticated", UNKNOWN)
        if end := key.end(self.now()):
            raise Refusal(401, "unauthenticated", f"this key {end}")
        self._note_use(key)
        return key

    async def find_minting(self, key_id: str) -> Key:
        """Return the key that minted a token. Raises Refusal 401 if it has ended, and NotReady."""
        await self.refresh()
        if key_id not in self._keys:
            await self._look_for_new()
        key = self._keys.get(key_id)
        if key is None:
            raise Refusal(401, "unauthenticated", UNKNOWN)
        if end := key.end(self.now()):
            raise Refusal(401, "unauthenticated", f"this token's key {end}")
        self._note_use(key)
        return key

    async def _look_for_new(self) -> None:
        """Read the keys again, since one may have been created a moment ago. Raises NotReady."""
        if self._waiting >= MOST_WAITING:
            raise NotReady("too many new keys are being looked up here", retry_after_s=RETRY_S)
        requested_at = self._clock()
        self._waiting += 1
        try:
            for _ in range(2):  # A read that is under way may have begun too early.
                if self._read_at < requested_at:
                    await asyncio.sleep(max(0.0, self._read_at + NEW_EVERY_S - self._clock()))
                # The timer may end a little early, and another request may have read meanwhile.
                if self._read_at < requested_at:
                    await self._read_again()
        finally:
            self._waiting -= 1
        if self._read_at < requested_at:
            raise NotReady(UNREADABLE, retry_after_s=FAULT_RETRY_S)

    async def refresh(self) -> None:
        """Read the keys again if the last read is CHECK_EVERY_S old. Raises NotReady."""
        if self._clock() - self._read_at >= CHECK_EVERY_S:
            await self._read_again()

    async def _read_again(self) -> None:
        """Read the keys, or wait for the read under way. Raises NotReady if the known ones are too old."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), READ_TIMEOUT_S)
        except FAULTS as error:
            if self._clock() - self._read_at < STALE_AFTER_S:
                return
            logger.warning("the keys cannot be read: %s", type(error).__name__)
            raise NotReady(UNREADABLE, retry_after_s=FAULT_RETRY_S) from None

    def end_of(self, key: Key) -> str | None:
        """Return how a key has ended since it was found, as far as this replica knows, or None."""
        return self._keys.get(key.id, key).end(self.now())

    async def _read(self) -> None:
        began = self._clock()
        found, self._store_now = await asyncio.to_thread(self._all)
        self._keys, self._read_at = {key.id: key for key in found}, began
        self._used = {key_id: at for key_id, at in self._used.items() if key_id in self._keys}

    def now(self) -> float:
        """Return the time by the database's clock, which was read with the keys and decides when they end."""
        return self._store_now + self._clock() - self._read_at

    def store(self) -> KeyStore:
        """Return the store. The first call opens it, which blocks. Raises what `open_store` raises."""
        if self._store is None:
            self._store = self._open_store()
        return self._store

    def _all(self) -> tuple[tuple[Key, ...], float]:
        return self.store().read()

    def _note_use(self, key: Key) -> None:
        """Record in the database that the key was used, at most once a minute and in the background."""
        now = self._clock()
        if now - self._used.get(key.id, float("-inf")) < NOTE_USE_EVERY_S:
            return
        self._used[key.id] = now
        noting = asyncio.create_task(self._note(key.id, self.now()))
        self._noting.add(noting)
        noting.add_done_callback(self._noting.discard)

    async def _note(self, key_id: str, at: float) -> None:
        try:
            assert self._store is not None  # noqa: S101 (the key was read from it)
            await asyncio.to_thread(self._store.used, key_id, at)
        except FAULTS as error:
            logger.warning("the use of key %s could not be recorded: %s", key_id, type(error).__name__)
