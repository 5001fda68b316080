"""Store the rows of kept results: the owner of each, its file, and when it expires.

Every method is one transaction and raises SQLAlchemyError. `now` is in seconds since 1970, and defaults to
the database's time.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, func, insert, select

from ..state.database import now_of, reading
from ..state.picture_tables import repeated_requests, results
from ..state.storage_budget import StorageBudget, StorageFull
from . import loose_pictures as loose


@dataclass(frozen=True, kw_only=True)
class KeptResult:
    """A result. `name` is the name of its file: the SHA-256 of its bytes."""

    id: str
    name: str
    format: str
    bytes: int
    expires_at: float


class ResultStore:
    def __init__(self, engine: Engine, max_kept: int) -> None:
        self.engine = engine
        self._max_kept = max_kept

    def check_room(self, owner: str, count: int, size: int, budget: StorageBudget) -> None:
        """Raise StorageFull if there is no room for `count` results of `size` bytes in total."""
        with reading(self.engine) as connection:
            self._check_room(connection, owner, count, size, budget)

    def _check_room(
        self, connection: Connection, owner: str, count: int, size: int, budget: StorageBudget
    ) -> None:
        kept = select(func.count()).select_from(results).where(results.c.owner == owner)
        if connection.execute(kept).scalar_one() + count > self._max_kept:
            raise StorageFull(
                f"at most {self._max_kept} results may be kept at once; earlier ones expire soon"
            )
        budget.check(connection, owner, count, size)

    def begin(self, owner: str, name: str, size: int, budget: StorageBudget, now: float | None = None) -> str:
        """Note that a result's file is about to be kept, and return the note's token.

        Raises StorageFull if there is no room for it, and BeingDropped.
        """
        token = secrets.token_hex(16)
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            self._check_room(connection, owner, 1, size, budget)
            loose.begin(connection, token, name, now)
        return token

    def keep(
        self,
        owner: str,
        name: str,
        wire_format: str,
        size: int,
        ttl_s: float,
        token: str,
        now: float | None = None,
    ) -> KeptResult:
        """Keep a result whose file is written."""
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            # In whole seconds, as in a link.
            row = {"id": secrets.token_hex(16), "name": name, "format": wire_format, "bytes": size}
            row |= {"expires_at": float(int(now + ttl_s))}
            connection.execute(insert(results).values(owner=owner, created_at=now, **row))
            loose.settle(connection, token)
        return KeptResult(**row)  # type: ignore[arg-type]

    def find(self, result_id: str, now: float | None = None) -> KeptResult | None:
        """Return a result, or None if it does not exist or has expired."""
        with reading(self.engine) as connection:
            there = results.c.id == result_id, results.c.expires_at > now_of(connection, now)
            row = connection.execute(select(results).where(*there)).one_or_none()
        if row is None:
            return None
        return KeptResult(
            id=row.id, name=row.name, format=row.format, bytes=row.bytes, expires_at=row.expires_at
        )


def forget_expired_results(engine: Engine, limit: int = 100, now: float | None = None) -> int:
    """Delete expired results, and return how many. Their files become loose."""
    with engine.begin() as connection:
        now = now_of(connection, now)
        connection.execute(delete(repeated_requests).where(repeated_requests.c.expires_at <= now))
        old = select(results.c.id, results.c.name).where(results.c.expires_at <= now).limit(limit)
        gone = connection.execute(old.with_for_update(skip_locked=True)).all()
        for row in gone:
            loose.leave(connection, secrets.token_hex(16), row.name)
        connection.execute(delete(results).where(results.c.id.in_([row.id for row in gone])))
        return len(gone)
