"""Keep jobs for their callers: submit, look up, cancel.

Every method is one transaction and raises SQLAlchemyError. `now` is in seconds since 1970, and defaults to
the database's time.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..auth.browser_tokens import spend
from ..pictures import loose_pictures as loose
from ..pictures.holds import hold, holder_of
from ..state.database import now_of, reading
from ..state.job_tables import jobs, scenes
from ..state.storage_budget import StorageBudget
from ..webhooks import outbox
from .job_admission import Beside, BudgetSpent, PicturesGone, admit_job, earlier_job
from .job_rows import (
    REPORTED_COLUMNS,
    from_json,
    job_state,
    scene_counts,
    scene_row,
    scene_state,
    scenes_ahead,
    this_job,
)
from .states import JobState, NewScene, SceneState
from .stored_bytes import cancel_scenes


class JobStore:
    """The stored jobs. `owner` is the caller's tenant, which sees only its own jobs.

    Methods that allow None as the owner take it for an admin, who sees all jobs.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def submit(
        self,
        job_id: str,
        owner: str,
        new: Sequence[NewScene],
        now: float | None = None,
        body_hash: str = "",
        key: str | None = None,
        max_waiting: int = 1 << 31,
        key_id: str | None = None,
        budget: StorageBudget | None = None,
        webhook_url: str | None = None,
        pictures: Collection[str] = (),
        beside: Beside | None = None,
        token_id: str | None = None,
    ) -> str:
        """Store a job durably, and return its id.

        If there is an earlier job with the same key, return that job's id instead.

        `key` is the idempotency key, `key_id` the API key that it was submitted with, `webhook_url` where to
        report its end, `pictures` those that it holds until it has ended, `beside` a row to store with it,
        `token_id` the token whose budget it spends. Raises OtherBody, TooManyWaiting, KeyEnded,
        StorageFull, PicturesGone and BudgetSpent.
        """
        rows = [scene_row(job_id, number, scene) for number, scene in enumerate(new)]
        if token_id is not None:
            rows = [
                row | {"token_steps": scene.megapixel_steps} for row, scene in zip(rows, new, strict=True)
            ]
        more_bytes = beside.bytes if beside else 0
        try:
            with self.engine.begin() as connection:
                now = now_of(connection, now)
                if earlier := admit_job(
                    connection, owner, rows, now, body_hash, key, max_waiting, key_id, budget, more_bytes
                ):
                    return earlier
                amount = sum(scene.megapixel_steps for scene in new)
                if token_id is not None and not spend(connection, token_id, amount):
                    raise BudgetSpent(amount)
                row = {"id": job_id, "owner": owner, "created_at": now, "total": len(new), "key_id": key_id}
                given = {"idempotency_key": key, "body_hash": body_hash, "token_id": token_id}
                connection.execute(insert(jobs).values(**row, **given))
                connection.execute(insert(scenes), rows)
                if webhook_url is not None:
                    outbox.add(connection, job_id, owner, webhook_url, now)
                if hold(connection, holder_of(job_id), owner, pictures, now):
                    raise PicturesGone
                if beside is not None:
                    beside.add(connection, job_id, owner, now)
        except IntegrityError:
            # Another replica has committed the same key since we looked (PostgreSQL; SQLite has one writer).
            with self.engine.begin() as connection:
                if earlier := earlier_job(connection, owner, key, body_hash, now_of(connection, now)):
                    return earlier
            raise
        return job_id

    def would_submit(
        self,
        owner: str,
        new: Sequence[NewScene],
        body_hash: str = "",
        key: str | None = None,
        max_waiting: int = 1 << 31,
        key_id: str | None = None,
        budget: StorageBudget | None = None,
    ) -> str | None:
        """Return the id of the earlier job with the same key, or None if this would be a new one.

        Raises what `submit` would raise, except PicturesGone and BudgetSpent.
        """
        rows = [scene_row("", number, scene) for number, scene in enumerate(new)]
        with self.engine.begin() as connection:
            now = now_of(connection, None)
            return admit_job(connection, owner, rows, now, body_hash, key, max_waiting, key_id, budget)

    def earlier(self, owner: str, key: str | None, body_hash: str) -> str | None:
        """Return the id of the job with the same key. Raises OtherBody."""
        with self.engine.begin() as connection:
            return earlier_job(connection, owner, key, body_hash, now_of(connection, None))

    def job(self, owner: str | None, job_id: str) -> JobState | None:
        with reading(self.engine) as connection:
            found = connection.execute(select(jobs).where(this_job(owner, job_id))).one_or_none()
            if found is None:
                return None
            parts = [scenes.c[name] for name in REPORTED_COLUMNS]
            rows = connection.execute(
                select(*parts).where(scenes.c.job_id == job_id).order_by(scenes.c.number)
            ).all()
            waits = any(row.status == "queued" for row in rows)
            ahead = scenes_ahead(connection, found.owner, found.created_at) if waits else 0
            webhook = outbox.of_job(connection, job_id)
        states = tuple(scene_state(row) for row in rows)
        state = job_state(found, Counter(state.status for state in states), states, ahead)
        return replace(state, webhook=webhook)

    def is_of_tokens(self, owner: str, job_id: str, key_id: str) -> bool:
        """Return whether a token of this key submitted the job."""
        theirs = and_(this_job(owner, job_id), jobs.c.key_id == key_id, jobs.c.token_id.is_not(None))
        with reading(self.engine) as connection:
            return connection.execute(select(jobs.c.id).where(theirs)).first() is not None

    def counts(self, owner: str | None, job_id: str) -> JobState | None:
        """Return the job without its scenes."""
        with reading(self.engine) as connection:
            found = connection.execute(select(jobs).where(this_job(owner, job_id))).one_or_none()
            return None if found is None else job_state(found, scene_counts(connection, [job_id])[job_id])

    def scene(self, owner: str, job_id: str, number: int) -> SceneState | None:
        where = and_(this_job(owner, job_id), scenes.c.number == number)
        with reading(self.engine) as connection:
            row = connection.execute(select(scenes).join(jobs).where(where)).one_or_none()
        if row is None:
            return None
        return replace(scene_state(row), headers=from_json(row.headers) or {})

    def page(
        self,
        owner: str | None,
        limit: int,
        after: tuple[float, str] | None = None,
        among: Select[tuple[str]] | None = None,
    ) -> list[JobState]:
        """Return jobs, newest first.

        `after` is the (created_at, id) of the last job seen. `among` limits them to the ids it selects.
        """
        where: ColumnElement[bool] = true() if owner is None else jobs.c.owner == owner
        if among is not None:
            where = and_(where, jobs.c.id.in_(among))
        if after is not None:
            created_at, job_id = after
            older = or_(
                jobs.c.created_at < created_at, and_(jobs.c.created_at == created_at, jobs.c.id < job_id)
            )
            where = and_(where, older)
        ordered = select(jobs).where(where).order_by(jobs.c.created_at.desc(), jobs.c.id.desc()).limit(limit)
        with reading(self.engine) as connection:
            found = connection.execute(ordered).all()
            counted = scene_counts(connection, [row.id for row in found])
        return [job_state(row, counted[row.id]) for row in found]

    def release(self, owner: str | None, job_id: str) -> JobState | None:
        """Release a held job. A job that is not held stays unchanged."""
        with self.engine.begin() as connection:
            connection.execute(update(jobs).where(this_job(owner, job_id)).values(held_at=None))
        return self.counts(owner, job_id)

    def cancel(self, owner: str | None, job_id: str, now: float | None = None) -> JobState | None:
        """Cancel a job's open scenes immediately. A job that has ended stays unchanged.

        A cancelled scene keeps its receipt, but not its words.
        """
        with self.engine.begin() as connection:
            found = connection.execute(
                select(jobs).where(this_job(owner, job_id)).with_for_update()
            ).one_or_none()
            if found is None:
                return None
            now = now_of(connection, now)
            if cancel_scenes(connection, job_id, now):
                connection.execute(update(jobs).where(jobs.c.id == job_id).values(cancelled_at=now))
        return self.counts(owner, job_id)

    def note_pictures(self, owner: str | None, job_id: str) -> list[str]:
        """Note that a job is about to give up its pictures. Return the notes' tokens."""
        with self.engine.begin() as connection:
            return _note_pictures(connection, owner, job_id, now_of(connection))

    def remove(self, owner: str | None, job_id: str) -> list[str] | None:
        """Delete a job and its scenes. Return the tokens of its pictures' notes; None if there is no job."""
        mine = select(jobs.c.id).where(this_job(owner, job_id))
        with self.engine.begin() as connection:
            connection.execute(mine.with_for_update())  # Lock the job first, as all other changes of it do.
            tokens = _note_pictures(connection, owner, job_id, 0.0)
            connection.execute(delete(scenes).where(scenes.c.job_id.in_(mine)))
            gone = connection.execute(delete(jobs).where(this_job(owner, job_id))).rowcount == 1
            return tokens if gone else None


def _note_pictures(connection: Connection, owner: str | None, job_id: str, since: float) -> list[str]:
    theirs = select(scenes.c.picture).join(jobs).where(this_job(owner, job_id), scenes.c.picture.is_not(None))
    noted = {secrets.token_hex(16): picture for picture in set(connection.execute(theirs).scalars())}
    for token, picture in noted.items():
        loose.leave(connection, token, picture, since)
    return list(noted)
