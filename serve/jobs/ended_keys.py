"""Settle the jobs of a key that has ended: hold them, cancel them, or let them be painted anyway.

A held job keeps its scenes unchanged and goes to no worker until its tenant or an admin releases or cancels
it. Each key's jobs are settled once, by the worker that first sees that the key has ended. No job comes
later, since a key that has ended cannot submit one (job_admission.py).
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Engine, Select, and_, or_, select, update

from ..config.access import EndedWork
from ..state.database import now_of, reading
from ..state.job_tables import jobs, scenes
from ..state.tenant_tables import keys
from .stored_bytes import cancel_scenes


def settle(engine: Engine, policy: EndedWork, now: float | None = None) -> int:
    """Settle the jobs of newly ended keys, and return the number of keys. Raises SQLAlchemyError."""
    with reading(engine) as connection:
        now = now_of(connection, now)
        unsettled = and_(keys.c.settled_at.is_(None), ended(now))
        found = list(connection.execute(select(keys.c.id).where(unsettled)).scalars())
    for key_id in found:
        with engine.begin() as connection:
            this = select(keys).where(keys.c.id == key_id, unsettled).with_for_update()
            if (key := connection.execute(this).one_or_none()) is None:
                continue  # Another worker was first.
            work = key.work or policy
            if work == "hold":
                hold(connection, _open_with(key_id), now)
            elif work == "cancel":
                cancel(connection, _open_with(key_id), now)
            connection.execute(update(keys).where(keys.c.id == key_id).values(settled_at=now))
    return len(found)


def ended(now: float) -> ColumnElement[bool]:
    """Return the condition for keys that may no longer be used."""
    expired = and_(keys.c.expires_at.is_not(None), keys.c.expires_at <= now)  # Never null: it is negated too.
    return or_(keys.c.revoked_at.is_not(None), expired)


def hold(connection: Connection, which: ColumnElement[bool], now: float) -> None:
    """Hold jobs, so that their waiting scenes are not painted."""
    waiting = and_(which, jobs.c.held_at.is_(None), jobs.c.id.in_(_open()))
    connection.execute(update(jobs).where(waiting).values(held_at=now))


def cancel(connection: Connection, which: ColumnElement[bool], now: float) -> None:
    """Cancel the open scenes of jobs."""
    found = list(connection.execute(select(jobs.c.id).where(which, jobs.c.id.in_(_open()))).scalars())
    for job_id in found:
        cancel_scenes(connection, job_id, now)
        connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancelled_at=now))


def give_up(engine: Engine, held_s: float, now: float | None = None) -> None:
    """Cancel jobs that were held for longer than `held_s`, which nobody will want. Raises SQLAlchemyError."""
    with engine.begin() as connection:
        now = now_of(connection, now)
        cancel(connection, and_(jobs.c.held_at < now - held_s, jobs.c.cancelled_at.is_(None)), now)


def _open_with(key_id: str) -> ColumnElement[bool]:
    """Return the condition for jobs with an open scene that this key requested, or requested again."""
    asked = or_(scenes.c.key_id == key_id, and_(scenes.c.key_id.is_(None), jobs.c.key_id == key_id))
    waiting = scenes.c.status.in_(("queued", "running"))
    return jobs.c.id.in_(select(scenes.c.job_id).select_from(scenes.join(jobs)).where(asked, waiting))


def _open() -> Select[tuple[str]]:
    return select(scenes.c.job_id).where(scenes.c.status.in_(("queued", "running")))
