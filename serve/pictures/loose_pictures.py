"""Pictures that may have no owner: about to be kept for one, or left behind by one that is gone.

Owners are scenes, uploads and results. A picture is named by its contents, so two owners may have the same
one, and an owner that is done with it must not take it from the other. Therefore a picture is noted here
before it is written, and before its last owner is deleted. If it has no other owner and no other note, it is
marked and dropped, and only then is the note removed. Nobody begins to keep a picture that is marked. A
process that is killed in between leaves its note, and another finds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, delete, insert, select, text, update

from ..state.database import now_of
from ..state.job_tables import scenes
from ..state.picture_tables import loose_pictures, pictures, results

STUCK_S = 600.0
"""A process that has been dropping a picture for this long is gone."""


class BeingDropped(OSError):
    """The same picture is being dropped right now; it can be kept in a moment."""


def leave(connection: Connection, token: str, picture: str, since: float = 0.0) -> None:
    """Note that an owner of a picture is gone. `token` identifies the note, and must be unique."""
    connection.execute(insert(loose_pictures).values(token=token, picture=picture, since=since))


def begin(connection: Connection, token: str, picture: str, now: float) -> None:
    """Note that a picture is about to be kept. Raises BeingDropped."""
    connection.execute(insert(loose_pictures).values(token=token, picture=picture, since=now))
    # A mark that is too far ahead was made before the clock was set back.
    at = loose_pictures.c.dropping_at
    marked = select(loose_pictures.c.token).where(
        loose_pictures.c.picture == picture, at > now - STUCK_S, at < now + STUCK_S
    )
    if connection.execute(marked.limit(1)).first():
        raise BeingDropped(picture)


def settle(connection: Connection, token: str) -> None:
    """Remove a note: its picture has an owner, or was dropped."""
    connection.execute(delete(loose_pictures).where(loose_pictures.c.token == token))


def forget(engine: Engine, tokens: Sequence[str]) -> None:
    """Remove the notes whose pictures have an owner after all."""
    with engine.begin() as connection:
        connection.execute(delete(loose_pictures).where(loose_pictures.c.token.in_(tokens)))


def old(engine: Engine, older_than_s: float, limit: int = 100, now: float | None = None) -> list[str]:
    """Return the tokens of notes of at least this age, the oldest first. Raises SQLAlchemyError."""
    with engine.begin() as connection:
        before = now_of(connection, now) - older_than_s
        noted = select(loose_pictures.c.token).where(loose_pictures.c.since < before)
        return list(connection.execute(noted.order_by(loose_pictures.c.since).limit(limit)).scalars())


def tidy(
    engine: Engine,
    token: str,
    drop: Callable[[str], None],
    now: float | None = None,
    leaving: str | None = None,
) -> None:
    """Remove a note, and drop its picture if it has no owner. The job `leaving` does not count as one.

    Raises SQLAlchemyError, and what `drop` raises: then the note stays. No transaction is open during `drop`.
    """
    mine = loose_pictures.c.token == token
    picture = _mark(engine, token, now, leaving)
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


def _mark(engine: Engine, token: str, now: float | None, leaving: str | None) -> str | None:
    """Mark a note's picture as being dropped, and return it.

    Returns None if the picture has another owner or note, or if another process is dropping it.
    """
    mine = loose_pictures.c.token == token
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":  # SQLite allows only one writer anyway.
            connection.execute(text("LOCK TABLE loose_pictures IN EXCLUSIVE MODE"))
        now = now_of(connection, now)
        found = connection.execute(select(loose_pictures).where(mine)).one_or_none()
        if found is None or (found.dropping_at is not None and abs(found.dropping_at - now) < STUCK_S):
            return None
        same = loose_pictures.c.picture == found.picture
        others = select(loose_pictures.c.token).where(same, loose_pictures.c.token != token)
        owners = select(scenes.c.number).where(scenes.c.picture == found.picture)
        if leaving is not None:
            owners = owners.where(scenes.c.job_id != leaving)
        uploads = select(pictures.c.name).where(pictures.c.name == found.picture)
        linked = select(results.c.id).where(results.c.name == found.picture)
        if any(connection.execute(each.limit(1)).first() for each in (others, owners, uploads, linked)):
            settle(connection, token)
            return None
        connection.execute(update(loose_pictures).where(mine).values(dropping_at=now))
        return str(found.picture)
