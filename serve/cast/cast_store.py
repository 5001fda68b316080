"""Store the cast: its members, their versions, and the pictures that they hold.

Every method is one transaction and raises SQLAlchemyError. `now` is in seconds since 1970, and defaults to
the database's time. Members of other owners are never found.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    delete,
    func,
    insert,
    select,
    text,
    update,
)

from ..pictures.holds import give_up, hold_instead
from ..state.database import now_of, reading
from ..state.picture_tables import cast_members

CAST = "cast:"


@dataclass(frozen=True, kw_only=True)
class KeptMember:
    """A stored member. Its `id` is never reused, unlike its name. `references` are names of picture files."""

    name: str
    id: str
    version: int
    created_at: float
    updated_at: float
    description: str = ""
    references: tuple[str, ...] = ()
    loras: tuple[dict[str, Any], ...] = ()
    seed: int | None = None
    negative_prompt: str | None = None

    @property
    def tag(self) -> str:
        """Return a tag that no other version of any member has."""
        return f"{self.id[:8]}-{self.version}"


class NameTaken(Exception):
    """The owner already has a member of this name."""


class TooMany(Exception):
    """The owner has as many members as allowed."""


class OtherVersion(Exception):
    """The member has another version than expected."""


class PicturesGone(Exception):
    """A reference picture no longer exists."""


class CastStore:
    def __init__(self, engine: Engine, max_members: int) -> None:
        self.engine = engine
        self._max_members = max_members

    def add(self, owner: str, name: str, body: dict[str, Any], now: float | None = None) -> KeptMember:
        """Keep a new member. `body` has the fields of a KeptMember that the caller sets.

        Raises NameTaken, TooMany and PicturesGone.
        """
        with self.engine.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite allows only one writer anyway.
                connection.execute(text("LOCK TABLE cast_members IN EXCLUSIVE MODE"))
            now = now_of(connection, now)
            self._check_new(connection, owner, name)
            row = {"owner": owner, "name": name, "id": secrets.token_hex(16), "version": 1}
            row |= {"body": json.dumps(body), "created_at": now, "updated_at": now}
            connection.execute(insert(cast_members).values(**row))
            return _holding(connection, owner, name, now)

    def would_add(self, owner: str, name: str) -> None:
        """Raise what `add` would raise, except PicturesGone."""
        with reading(self.engine) as connection:
            self._check_new(connection, owner, name)

    def _check_new(self, connection: Connection, owner: str, name: str) -> None:
        if connection.execute(select(cast_members.c.name).where(_mine(owner, name))).first():
            raise NameTaken
        count = select(func.count()).where(cast_members.c.owner == owner).select_from(cast_members)
        if connection.execute(count).scalar_one() >= self._max_members:
            raise TooMany

    def would_replace(
        self, owner: str, name: str, version: int | None = None, tags: Iterable[str] | None = None
    ) -> bool:
        """Return whether the member exists. Raises what `replace` would raise, except PicturesGone."""
        kept = self.find(owner, [name]).get(name)
        if kept is not None:
            _check_version(kept, version, tags)
        return kept is not None

    def replace(
        self,
        owner: str,
        name: str,
        body: dict[str, Any],
        version: int | None = None,
        tags: Iterable[str] | None = None,
        now: float | None = None,
    ) -> KeptMember | None:
        """Keep the next version of a member; return None if there is no such member.

        The current version must match `version` and `tags`, if given. Raises OtherVersion and PicturesGone.
        """
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            kept = _locked(connection, owner, name, version, tags)
            if kept is None:
                return None
            values = {"body": json.dumps(body), "version": kept.version + 1, "updated_at": now}
            connection.execute(update(cast_members).where(_mine(owner, name)).values(**values))
            return _holding(connection, owner, name, now)

    def remove(
        self, owner: str, name: str, tags: Iterable[str] | None = None, now: float | None = None
    ) -> tuple[KeptMember, list[str]] | None:
        """Delete a member and the pictures that it alone holds. Return it and the tokens of their notes.

        Raises OtherVersion.
        """
        with self.engine.begin() as connection:
            now = now_of(connection, now)
            kept = _locked(connection, owner, name, None, tags)
            if kept is None:
                return None
            tokens = give_up(connection, f"{CAST}{kept.id}", owner, now)
            connection.execute(delete(cast_members).where(_mine(owner, name)))
            return kept, tokens

    def find(self, owner: str, names: Iterable[str]) -> dict[str, KeptMember]:
        """Return the owner's members among these names, by name."""
        with reading(self.engine) as connection:
            mine = and_(cast_members.c.owner == owner, cast_members.c.name.in_(list(names)))
            return {row.name: _member(row) for row in connection.execute(select(cast_members).where(mine))}

    def page(self, owner: str, limit: int, after: str | None = None) -> list[KeptMember]:
        """Return members in order of name, from the first one after `after`."""
        asked = select(cast_members).where(cast_members.c.owner == owner)
        if after is not None:
            asked = asked.where(cast_members.c.name > after)
        with reading(self.engine) as connection:
            rows = connection.execute(asked.order_by(cast_members.c.name).limit(limit)).all()
        return [_member(row) for row in rows]


def _locked(
    connection: Connection, owner: str, name: str, version: int | None, tags: Iterable[str] | None
) -> KeptMember | None:
    """Return a member, locked until the transaction ends. Raises OtherVersion."""
    found = connection.execute(_row_of(owner, name).with_for_update()).one_or_none()
    if found is None:
        return None
    kept = _member(found)
    _check_version(kept, version, tags)
    return kept


def _check_version(kept: KeptMember, version: int | None, tags: Iterable[str] | None) -> None:
    if version not in (None, kept.version) or (tags is not None and kept.tag not in tags):
        raise OtherVersion


def _holding(connection: Connection, owner: str, name: str, now: float) -> KeptMember:
    """Hold a member's reference pictures, and return the member. Raises PicturesGone."""
    kept = _member(connection.execute(_row_of(owner, name)).one())
    if hold_instead(connection, f"{CAST}{kept.id}", owner, kept.references, now):
        raise PicturesGone
    return kept


def _mine(owner: str, name: str) -> ColumnElement[bool]:
    return and_(cast_members.c.owner == owner, cast_members.c.name == name)


def _row_of(owner: str, name: str) -> Any:
    return select(cast_members).where(_mine(owner, name))


def _member(row: Row[Any]) -> KeptMember:
    body = json.loads(row.body)
    return KeptMember(
        name=row.name,
        id=row.id,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
        **body | {name: tuple(body.get(name, ())) for name in ("references", "loras")},
    )
