"""Rows of uploaded pictures: whose they are, until when, and what holds them for longer.

Every method is one transaction. Without `now`, in seconds since 1970, it is whatever time the database has.
All of them raise SQLAlchemyError. A picture that is not its asker's is not there.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ..state.database import now_of, reading
from ..state.storage_budget import StorageBudget, StorageFull, lock_storage
from ..state.tables import picture_holds, pictures, scenes, stories
from . import loose_pictures as loose

JOB, STORY = "job:", "story:"


@dataclass(frozen=True, kw_only=True)
class KeptPicture:
    """An uploaded picture. `name` is that of its file: the SHA-256 of its bytes.

    `is_new`: it was not there before it was kept just now.
    """

    name: str
    width: int
    height: int
    bytes: int
    expires_at: float = 0.0
    is_new: bool = False


class Held(Exception):
    """Something that has not ended holds the picture."""


class PictureStore:
    def __init__(self, engine: Engine, retention_s: float, max_kept: int) -> None:
        self.engine = engine
        self._retention_s = retention_s
        self._max_kept = max_kept

    def begin(self, owner: str, new: KeptPicture, budget: StorageBudget, now: float | None = None) -> str:
        """Note that a picture is about to be kept, and return the note's token.

        Raises StorageFull where there is no room for it, and BeingDropped.
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
        """Keep a picture whose file is written, and return it. One that was kept lasts anew.

        Raises StorageFull where others have taken the room since.
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

        Return its note's token; None where it stays.
        """
        same = pictures.c.expires_at == kept.expires_at
        with self.engine.begin() as connection:
            there = select(pictures.c.name).where(_mine(owner, kept.name), same, ~_is_held())
            if not kept.is_new or connection.execute(there.with_for_update()).first() is None:
                return None
            return _delete(connection, owner, kept.name)

    def _is_new(
        self, connection: Connection, owner: str, new: KeptPicture, budget: StorageBudget | None
    ) -> bool:
        """Return whether the owner has not got it yet. Raises StorageFull where there is no room for it."""
        if connection.execute(select(pictures.c.name).where(_mine(owner, new.name))).first() is not None:
            return False
        count = select(func.count()).where(pictures.c.owner == owner).select_from(pictures)
        if connection.execute(count).scalar_one() >= self._max_kept:
            raise StorageFull(f"{self._max_kept} uploaded pictures may be kept; remove some")
        if budget:
            budget.check(connection, owner, 1, new.bytes)
        return True

    def find(self, owner: str, names: Iterable[str], now: float | None = None) -> Mapping[str, KeptPicture]:
        """Return those of the named that the owner has and that have not expired."""
        with reading(self.engine) as connection:
            now = now_of(connection, now)
            mine = and_(pictures.c.owner == owner, pictures.c.name.in_(list(names)))
            found = connection.execute(select(pictures).where(mine, _lasts(now))).all()
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
        """Delete a picture. Return its note's token; None where there is none. Raises Held."""
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            there = select(pictures.c.name).where(_mine(owner, name), _lasts(now)).with_for_update()
            if connection.execute(there).first() is None:
                return None
            if connection.execute(select(_is_held()).where(_mine(owner, name))).scalar():
                raise Held
            return _delete(connection, owner, name)


def forget_expired(engine: Engine, limit: int = 100, now: float | None = None) -> int:
    """Delete expired pictures that nothing holds: how many. Their files are loose from then on."""
    with engine.begin() as connection:
        now = now_of(connection, now)
        old = select(pictures.c.owner, pictures.c.name).where(~_lasts(now)).limit(limit)
        gone = connection.execute(old.with_for_update(skip_locked=True)).all()
        for row in gone:
            _delete(connection, row.owner, row.name)
        return len(gone)


def hold(connection: Connection, holder: str, owner: str, names: Iterable[str], now: float) -> set[str]:
    """Keep pictures for as long as `holder` holds them. Return those that are not there to be held."""
    missing = set()
    for name in sorted(set(names)):  # In one order everywhere, so that no two wait for each other.
        there = select(pictures.c.name).where(_mine(owner, name), _lasts(now)).with_for_update()
        if connection.execute(there).first() is None:
            missing.add(name)
        else:
            row = {"holder": holder, "owner": owner, "name": name}
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(dialect.insert(picture_holds).values(**row).on_conflict_do_nothing())
    return missing


def holds(engine: Engine, holder: str, owner: str, name: str) -> bool:
    """Return whether `holder` holds this picture of its owner's."""
    held = select(picture_holds.c.name).where(
        picture_holds.c.holder == holder, picture_holds.c.owner == owner, picture_holds.c.name == name
    )
    with reading(engine) as connection:
        return connection.execute(held).first() is not None


def give_up(connection: Connection, holder: str, owner: str, now: float) -> list[str]:
    """Hold nothing for `holder` any more, and delete what it held and nothing else holds.

    Return the tokens of the notes. What is held by another expires when that releases it.
    """
    held = select(picture_holds.c.name).where(picture_holds.c.holder == holder)
    tokens = []
    for name in sorted(connection.execute(held).scalars().all()):
        there = select(pictures.c.name).where(_mine(owner, name)).with_for_update()
        connection.execute(there).first()
        others = select(picture_holds.c.holder).where(
            picture_holds.c.owner == owner, picture_holds.c.name == name, picture_holds.c.holder != holder
        )
        if connection.execute(others.limit(1)).first() is None:
            tokens.append(_delete(connection, owner, name))
        else:
            connection.execute(update(pictures).where(_mine(owner, name)).values(expires_at=now))
    release(connection, holder)
    return tokens


def hold_instead(
    connection: Connection, holder: str, owner: str, names: Iterable[str], now: float
) -> set[str]:
    """Hold these pictures for `holder`, and no others. Return those that are not there to be held."""
    wanted, mine = set(names), picture_holds.c.holder == holder
    held = set(connection.execute(select(picture_holds.c.name).where(mine)).scalars())
    missing = hold(connection, holder, owner, wanted - held, now)
    connection.execute(delete(picture_holds).where(mine, picture_holds.c.name.in_(held - wanted)))
    return missing


def release(connection: Connection, holder: str) -> None:
    """Hold nothing for `holder` any more."""
    connection.execute(delete(picture_holds).where(picture_holds.c.holder == holder))


def holder_of(job_id: str) -> str:
    """Return the name by which a job holds pictures."""
    return f"{JOB}{job_id}"


def story_holder(story_id: str) -> str:
    """Return the name by which a story holds pictures, for as long as it is kept."""
    return f"{STORY}{story_id}"


def release_ended_jobs(engine: Engine) -> int:
    """Hold nothing any more for jobs of which no scene waits, and for stories that are gone: how many."""
    open_ = select(literal(JOB).concat(scenes.c.job_id)).where(scenes.c.status.in_(("queued", "running")))
    holder = picture_holds.c.holder
    ended = and_(holder.startswith(JOB), holder.not_in(open_))
    kept = select(literal(STORY).concat(stories.c.job_id))
    gone = and_(holder.startswith(STORY), holder.not_in(kept))
    with engine.begin() as connection:
        return connection.execute(delete(picture_holds).where(ended | gone)).rowcount


def _mine(owner: str, name: str) -> ColumnElement[bool]:
    return and_(pictures.c.owner == owner, pictures.c.name == name)


def _is_held() -> ColumnElement[bool]:
    same = and_(picture_holds.c.owner == pictures.c.owner, picture_holds.c.name == pictures.c.name)
    return exists(select(picture_holds.c.holder).where(same))


def _lasts(now: float) -> ColumnElement[bool]:
    return (pictures.c.expires_at > now) | _is_held()


def _delete(connection: Connection, owner: str, name: str) -> str:
    token = secrets.token_hex(16)
    loose.leave(connection, token, name)
    connection.execute(delete(pictures).where(_mine(owner, name)))
    return token
