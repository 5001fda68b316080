"""Store the rows of uploaded pictures: their owners, and when they expire.

Every method is one transaction and raises SQLAlchemyError. `now` is in seconds since 1970, and defaults to
the database's time. Pictures of other owners are never found.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import Connection, Engine, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ..state.database import now_of, reading
from ..state.picture_tables import pictures
from ..state.storage_budget import StorageBudget, StorageFull, lock_storage
from . import loose_pictures as loose
from .holds import delete_picture, is_held, lasts, this_picture


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """An uploaded picture. `name` is the name of its file: the SHA-256 of its bytes.

    `is_new` is true if it did not exist before this upload.
    """

    name: str
    width: int
    height: int
    bytes: int
    expires_at: float = 0.0
    is_new: bool = False


class Held(Exception):
    """The picture is held by something that has not ended."""


class PictureStore:
    def __init__(self, engine: Engine, retention_s: float, max_kept: int) -> None:
        self.engine = engine
        self._retention_s = retention_s
        self._max_kept = max_kept

    def begin(self, owner: str, new: KeptPicture, budget: StorageBudget, now: float | None = None) -> str:
        """Note that a picture is about to be kept, and return the note's token.

        Raises StorageFull if there is no room for it, and BeingDropped.
        """
        token = secrets.token_hex(16)
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            self._is_new(connection, owner, new, budget)
            loose.begin(connection, token, new.name, now)
        return token

    def keep(
        self,
        owner: str,
        new: KeptPicture,
        token: str,
        now: float | None = None,
        budget: StorageBudget | None = None,
    ) -> KeptPicture:
        """Keep a picture whose file is written, and return it. If it exists already, its expiry is extended.

        Raises StorageFull if others have taken the room since.
        """
        with self.engine.begin() as connection:
            lock_storage(connection, owner)
            now = now_of(connection, now)
            is_new, expires_at = self._is_new(connection, owner, new, budget), now + self._retention_s
            row = {"owner": owner, "name": new.name, "width": new.width, "height": new.height}
            times = {"created_at": now, "expires_at": expires_at}
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            first = dialect.insert(pictures).values(**row, bytes=new.bytes, **times)
            again = {"expires_at": expires_at}
            connection.execute(first.on_conflict_do_update(index_elements=["owner", "name"], set_=again))
            loose.settle(connection, token)
        return replace(new, expires_at=expires_at, is_new=is_new)

    def undo(self, owner: str, kept: KeptPicture) -> str | None:
        """Delete a picture that was new, unless something holds it or it was kept again since.

        Returns its note's token, or None if the picture stays.
        """
        same = pictures.c.expires_at == kept.expires_at
        with self.engine.begin() as connection:
            there = select(pictures.c.name).where(this_picture(owner, kept.name), same, ~is_held())
            if not kept.is_new or connection.execute(there.with_for_update()).first() is None:
                return None
            return delete_picture(connection, owner, kept.name)

    def _is_new(
        self, connection: Connection, owner: str, new: KeptPicture, budget: StorageBudget | None
    ) -> bool:
        """Return whether the owner does not have it yet. Raises StorageFull if there is no room for it."""
        if (
            connection.execute(select(pictures.c.name).where(this_picture(owner, new.name))).first()
            is not None
        ):
            return False
        count = select(func.count()).where(pictures.c.owner == owner).select_from(pictures)
        if connection.execute(count).scalar_one() >= self._max_kept:
            raise StorageFull(f"at most {self._max_kept} uploaded pictures may be kept; remove some")
        if budget:
            budget.check(connection, owner, 1, new.bytes)
        return True

    def find(self, owner: str, names: Iterable[str], now: float | None = None) -> Mapping[str, KeptPicture]:
        """Return the owner's pictures among these names that have not expired, by name."""
        with reading(self.engine) as connection:
            now = now_of(connection, now)
            mine = and_(pictures.c.owner == owner, pictures.c.name.in_(list(names)))
            found = connection.execute(select(pictures).where(mine, lasts(now))).all()
        return {
            row.name: KeptPicture(
                name=row.name,
                width=row.width,
                height=row.height,
                bytes=row.bytes,
                expires_at=row.expires_at,
            )
            for row in found
        }

    def remove(self, owner: str, name: str, now: float | None = None) -> str | None:
        """Delete a picture. Return its note's token, or None if there is no picture. Raises Held."""
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            there = select(pictures.c.name).where(this_picture(owner, name), lasts(now)).with_for_update()
            if connection.execute(there).first() is None:
                return None
            if connection.execute(select(is_held()).where(this_picture(owner, name))).scalar():
                raise Held
            return delete_picture(connection, owner, name)


def forget_expired(engine: Engine, limit: int = 100, now: float | None = None) -> int:
    """Delete expired pictures that nothing holds, and return how many. Their files become loose."""
    with engine.begin() as connection:
        now = now_of(connection, now)
        old = select(pictures.c.owner, pictures.c.name).where(~lasts(now)).limit(limit)
        gone = connection.execute(old.with_for_update(skip_locked=True)).all()
        for row in gone:
            delete_picture(connection, row.owner, row.name)
        return len(gone)
