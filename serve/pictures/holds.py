"""Hold uploaded pictures for jobs, stories and the cast, and delete those that nothing holds any more.

All functions raise SQLAlchemyError.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, exists, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ..state.database import reading
from ..state.job_tables import scenes, stories
from ..state.picture_tables import picture_holds, pictures
from . import loose_pictures as loose

JOB, STORY = "job:", "story:"


def hold(connection: Connection, holder: str, owner: str, names: Iterable[str], now: float) -> set[str]:
    """Hold pictures for `holder`, so that they do not expire. Return the names of those that are missing."""
    missing = set()
    for name in sorted(set(names)):  # In one order everywhere, so that no two transactions deadlock.
        there = select(pictures.c.name).where(this_picture(owner, name), lasts(now)).with_for_update()
        if connection.execute(there).first() is None:
            missing.add(name)
        else:
            row = {"holder": holder, "owner": owner, "name": name}
            dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
            connection.execute(dialect.insert(picture_holds).values(**row).on_conflict_do_nothing())
    return missing


def holds(engine: Engine, holder: str, owner: str, name: str) -> bool:
    """Return whether `holder` holds this picture of the owner."""
    held = select(picture_holds.c.name).where(
        picture_holds.c.holder == holder, picture_holds.c.owner == owner, picture_holds.c.name == name
    )
    with reading(engine) as connection:
        return connection.execute(held).first() is not None


def give_up(connection: Connection, holder: str, owner: str, now: float) -> list[str]:
    """Release the pictures of `holder`, and delete those that nothing else holds.

    Returns the tokens of their notes. A picture with another holder expires when that one releases it.
    """
    held = select(picture_holds.c.name).where(picture_holds.c.holder == holder)
    tokens = []
    for name in sorted(connection.execute(held).scalars().all()):
        there = select(pictures.c.name).where(this_picture(owner, name)).with_for_update()
        connection.execute(there).first()
        others = select(picture_holds.c.holder).where(
            picture_holds.c.owner == owner, picture_holds.c.name == name, picture_holds.c.holder != holder
        )
        if connection.execute(others.limit(1)).first() is None:
            tokens.append(delete_picture(connection, owner, name))
        else:
            connection.execute(update(pictures).where(this_picture(owner, name)).values(expires_at=now))
    release(connection, holder)
    return tokens


def hold_instead(
    connection: Connection, holder: str, owner: str, names: Iterable[str], now: float
) -> set[str]:
    """Hold exactly these pictures for `holder`. Return the names of those that are missing."""
    wanted, mine = set(names), picture_holds.c.holder == holder
    held = set(connection.execute(select(picture_holds.c.name).where(mine)).scalars())
    missing = hold(connection, holder, owner, wanted - held, now)
    connection.execute(delete(picture_holds).where(mine, picture_holds.c.name.in_(held - wanted)))
    return missing


def release(connection: Connection, holder: str) -> None:
    """Release all pictures that `holder` holds."""
    connection.execute(delete(picture_holds).where(picture_holds.c.holder == holder))


def holder_of(job_id: str) -> str:
    """Return the holder name of a job."""
    return f"{JOB}{job_id}"


def story_holder(story_id: str) -> str:
    """Return the holder name of a story, which holds its pictures for as long as it is kept."""
    return f"{STORY}{story_id}"


def release_ended_jobs(engine: Engine) -> int:
    """Release the holds of jobs that have ended, and of stories that are gone. Return how many holds."""
    open_ = select(literal(JOB).concat(scenes.c.job_id)).where(scenes.c.status.in_(("queued", "running")))
    holder = picture_holds.c.holder
    ended = and_(holder.startswith(JOB), holder.not_in(open_))
    kept = select(literal(STORY).concat(stories.c.job_id))
    gone = and_(holder.startswith(STORY), holder.not_in(kept))
    with engine.begin() as connection:
        return connection.execute(delete(picture_holds).where(ended | gone)).rowcount


def this_picture(owner: str, name: str) -> ColumnElement[bool]:
    return and_(pictures.c.owner == owner, pictures.c.name == name)


def is_held() -> ColumnElement[bool]:
    same = and_(picture_holds.c.owner == pictures.c.owner, picture_holds.c.name == pictures.c.name)
    return exists(select(picture_holds.c.holder).where(same))


def lasts(now: float) -> ColumnElement[bool]:
    return (pictures.c.expires_at > now) | is_held()


def delete_picture(connection: Connection, owner: str, name: str) -> str:
    token = secrets.token_hex(16)
    loose.leave(connection, token, name)
    connection.execute(delete(pictures).where(this_picture(owner, name)))
    return token
