"""Check whether the jobs database may hold work, without querying it repeatedly while it holds none.

SQLite reports whether another connection has written (`PRAGMA data_version`) without a query or a lock. Time
alone creates no work: a scene to retry later, or one leased to a worker that is gone, already counts as open.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable

from sqlalchemy import Engine, PoolProxiedConnection, exists, select
from sqlalchemy.exc import OperationalError

from ..state.database import reading
from ..state.job_tables import scenes
from ..webhooks import outbox
from .open_work import UNDER_WAY

Act = Callable[[], Awaitable[None]]
VERSION = "PRAGMA data_version"


class WorkGate:
    """A gate that is open while there may be work. Its methods block and are thread-safe.

    They raise SQLAlchemyError.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._empty_at: int | None = None
        self._watcher: PoolProxiedConnection | None = None

    def may_have_work(self) -> bool:
        """Return whether scenes or webhooks may be open. Always True on PostgreSQL, which has no count."""
        with self._lock:
            version = self._version()
            if version is None:
                return True
            if version == self._empty_at:
                return False
            # The version was read before the query, so that a write in between counts as a later one.
            self._empty_at = None if self._has_work() else version
            return self._empty_at is None

    def close(self) -> None:
        with self._lock:
            self._forget()

    def _version(self) -> int | None:
        if self._engine.dialect.name != "sqlite":
            return None
        try:
            if self._watcher is None:
                self._watcher = self._engine.raw_connection()
                self._watcher.detach()  # The count belongs to one connection.
            cursor = self._watcher.cursor()
            try:
                version: int = cursor.execute(VERSION).fetchone()[0]
                return version
            finally:
                cursor.close()
        except sqlite3.Error as error:  # The driver's error: SQLAlchemy wraps only those of its own calls.
            self._forget()
            raise OperationalError(VERSION, None, error) from error

    def _forget(self) -> None:
        """Close the watcher, and forget its count: another connection's may be equal by chance."""
        watcher, self._watcher, self._empty_at = self._watcher, None, None
        if watcher is not None:
            watcher.close()

    def _has_work(self) -> bool:
        under_way = exists().where(scenes.c.status.in_(UNDER_WAY))
        with reading(self._engine) as connection:
            found = connection.execute(select(under_way | outbox.open_deliveries()))
            return bool(found.scalar_one())


def when_open(gate: WorkGate, act: Act) -> Act:
    """Return a version of `act` that does nothing while there is no work."""

    async def act_on_work() -> None:
        if await asyncio.to_thread(gate.may_have_work):
            await act()

    return act_on_work
