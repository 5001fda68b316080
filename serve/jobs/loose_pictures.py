"""Pictures that may have no scene: about to be kept for one, or left behind by one that is gone.

A picture is named by its contents, so two scenes may have the same one, and whoever is done with it must not
take it from the other. Therefore it is noted here before it is written, and before its last scene is deleted;
one that nobody else has or notes is marked, dropped, and only then the note is taken down. Nobody begins to
keep a picture that is marked. A process that is killed in between leaves its note, and another finds it.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, Engine, delete, insert, select, text, update

from .tables import loose_pictures, scenes

STUCK_S = 600.0
"""Whoever has been dropping a picture for so long is gone."""


class BeingDropped(OSError):
    """The same picture is being dropped just now; it can be kept in a moment."""


def leave(connection: Connection, token: str, picture: str) -> None:
    """Note that a scene which had it is gone. `token`: whose note it is; any that nobody else has."""
    connection.execute(insert(loose_pictures).values(token=token, picture=picture, since=0.0))


def begin(connection: Connection, token: str, picture: str, now: float) -> None:
    """Note that it is about to be kept. Raises BeingDropped."""
    connection.execute(insert(loose_pictures).values(token=token, picture=picture, since=now))
    dropping = loose_pictures.c.dropping_at > now - STUCK_S
    marked = select(loose_pictures.c.token).where(loose_pictures.c.picture == picture, dropping)
    if connection.execute(marked.limit(1)).first():
        raise BeingDropped(picture)


def settle(connection: Connection, token: str) -> None:
    """The picture is a scene's."""
    connection.execute(delete(loose_pictures).where(loose_pictures.c.token == token))


def old(engine: Engine, noted_before: float, limit: int = 100) -> list[str]:
    """The tokens of notes, the oldest first. Raises SQLAlchemyError."""
    noted = select(loose_pictures.c.token).where(loose_pictures.c.since < noted_before)
    with engine.begin() as connection:
        return list(connection.execute(noted.order_by(loose_pictures.c.since).limit(limit)).scalars())


def tidy(engine: Engine, token: str, drop: Callable[[str], None], now: float) -> None:
    """Take the note down, and drop its picture where it is nobody's.

    Raises SQLAlchemyError, and what `drop` raises: then the note stays. No transaction lasts while it drops.
    """
    mine = loose_pictures.c.token == token
    picture = _mark(engine, token, now)
    if picture is None:
        return
    try:
        drop(picture)
    except BaseException:
        with engine.begin() as connection:
            connection.execute(update(loose_pictures).where(mine).values(dropping_at=None))
        raise
    with engine.begin() as connection:
        settle(connection, token)


def _mark(engine: Engine, token: str, now: float) -> str | None:
    """The picture that is to be dropped; None where it is somebody else's too, or where he drops it."""
    mine = loose_pictures.c.token == token
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # SQLite lets one write at a time as it is.
            connection.execute(text("LOCK TABLE loose_pictures IN EXCLUSIVE MODE"))
        found = connection.execute(select(loose_pictures).where(mine)).one_or_none()
        if found is None or (found.dropping_at is not None and found.dropping_at > now - STUCK_S):
            return None
        same = loose_pictures.c.picture == found.picture
        others = select(loose_pictures.c.token).where(same, loose_pictures.c.token != token)
        owners = select(scenes.c.number).where(scenes.c.picture == found.picture)
        if any(connection.execute(each.limit(1)).first() for each in (others, owners)):
            settle(connection, token)
            return None
        connection.execute(update(loose_pictures).where(mine).values(dropping_at=now))
        return str(found.picture)
