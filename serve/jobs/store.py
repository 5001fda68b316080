"""Jobs for their callers: submit, look up, cancel.

Every method is one transaction. Without `now`, in seconds since 1970, it is whatever time the database has.
All of them raise SQLAlchemyError.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Protocol

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..auth.tokens import spend
from ..pictures import loose_pictures as loose
from ..pictures.store import hold, holder_of
from ..state.database import now_of, reading
from ..state.storage_budget import StorageBudget, lock_storage
from ..state.tables import jobs, keys, scenes
from ..webhooks import outbox
from .ended_keys import ended
from .states import JobState, NewScene, SceneState
from .stored_bytes import ROW_BYTES, cancel_scenes

IDEMPOTENCY_S = 86_400.0
LATELY_S = 300.0
REPORTED_COLUMNS = ("number", "status", "error", "picture", "format", "repaints", "changed")


class TooManyWaiting(Exception):
    """The owner has as many scenes waiting as one may have; None where none of them was done lately."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class KeyEnded(Exception):
    """The key was revoked or expired since it was looked at."""


class PicturesGone(Exception):
    """A picture that a scene starts from is not there any more."""


class BudgetSpent(Exception):
    """The token has fewer megapixel-steps left."""

    def __init__(self, amount: float) -> None:
        super().__init__(amount)
        self.amount = amount


class OtherBody(Exception):
    """The idempotency key was used for another body."""


class Beside(Protocol):
    """Row kept with a job, in the transaction that keeps it. `bytes`: of the tenant's storage."""

    @property
    def bytes(self) -> int: ...

    def add(self, connection: Connection, job_id: str, owner: str, now: float) -> None: ...


class JobStore:
    """`owner` is the caller's own name among tenants. Nobody sees another's jobs, but for an admin: where the
    owner may be None, that means any.
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
        """Return the job's id, kept for good when this returns.

        That of an earlier job with the same key, if there is one.

        `key` is the idempotency key, `key_id` the API key that it was submitted with, `webhook_url` where its
        end is told, `pictures` those that it holds until it has ended, `beside` what is kept with it,
        `token_id` the token whose budget it takes. Raises OtherBody, TooManyWaiting, KeyEnded, StorageFull,
        PicturesGone and BudgetSpent.
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
                if earlier := self._admitted(
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
            # The same key, committed by another replica since we looked (PostgreSQL; SQLite lets one write).
            with self.engine.begin() as connection:
                if earlier := self._earlier(connection, owner, key, body_hash, now_of(connection, now)):
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
        """Return the id of the earlier job with the same key, None where this would be a new one.

        Raises what submit would raise, but for the pictures.
        """
        rows = [scene_row("", number, scene) for number, scene in enumerate(new)]
        with self.engine.begin() as connection:
            now = now_of(connection, None)
            return self._admitted(connection, owner, rows, now, body_hash, key, max_waiting, key_id, budget)

    def earlier(self, owner: str, key: str | None, body_hash: str) -> str | None:
        """Return the id of the job with the same key. Raises OtherBody."""
        with self.engine.begin() as connection:
            return self._earlier(connection, owner, key, body_hash, now_of(connection, None))

    def _admitted(
        self,
        connection: Connection,
        owner: str,
        rows: list[dict[str, Any]],
        now: float,
        body_hash: str,
        key: str | None,
        max_waiting: int,
        key_id: str | None,
        budget: StorageBudget | None,
        more_bytes: int = 0,
    ) -> str | None:
        """Return the id of an earlier job with the same key. Raises where a new one is refused."""
        check_key(connection, key_id, now)
        if earlier := self._earlier(connection, owner, key, body_hash, now):
            return earlier
        lock_storage(connection, owner)
        waiting = select(func.count()).select_from(scenes.join(jobs)).where(open_scenes(owner))
        excess = connection.execute(waiting).scalar_one() + len(rows) - max_waiting
        if excess > 0:
            raise TooManyWaiting(worked_off_in_s(connection, owner, excess, now))
        if budget:
            new_bytes = sum(each["words_bytes"] + each["picture_bytes"] for each in rows)
            budget.check(connection, owner, len(rows), new_bytes + more_bytes)
        return None

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
            ahead = _ahead(connection, found.owner, found.created_at) if waits else 0
            webhook = outbox.of_job(connection, job_id)
        states = tuple(_scene_state(row) for row in rows)
        state = _state(found, Counter(state.status for state in states), states, ahead)
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
            return None if found is None else _state(found, _counts(connection, [job_id])[job_id])

    def scene(self, owner: str, job_id: str, number: int) -> SceneState | None:
        where = and_(this_job(owner, job_id), scenes.c.number == number)
        with reading(self.engine) as connection:
            row = connection.execute(select(scenes).join(jobs).where(where)).one_or_none()
        if row is None:
            return None
        return replace(_scene_state(row), headers=_json(row.headers) or {})

    def page(
        self,
        owner: str | None,
        limit: int,
        after: tuple[float, str] | None = None,
        among: Select[tuple[str]] | None = None,
    ) -> list[JobState]:
        """Return jobs, newest first.

        `after` is the (created_at, id) of the last one seen, `among` selects the ids of those meant.
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
            counted = _counts(connection, [row.id for row in found])
        return [_state(row, counted[row.id]) for row in found]

    def release(self, owner: str | None, job_id: str) -> JobState | None:
        """Let a job that is held be painted. One that is not stays as it was."""
        with self.engine.begin() as connection:
            connection.execute(update(jobs).where(this_job(owner, job_id)).values(held_at=None))
        return self.counts(owner, job_id)

    def cancel(self, owner: str | None, job_id: str, now: float | None = None) -> JobState | None:
        """Cancel what has not ended, here and at once. A job that had ended stays as it was.

        Of a cancelled scene the receipt is kept, and not its words.
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
        """Note that a job is about to be done with its pictures. Return the notes' tokens."""
        with self.engine.begin() as connection:
            return _note_pictures(connection, owner, job_id, now_of(connection))

    def remove(self, owner: str | None, job_id: str) -> list[str] | None:
        """Delete a job and its scenes. Return its pictures' notes; None where there is no job."""
        mine = select(jobs.c.id).where(this_job(owner, job_id))
        with self.engine.begin() as connection:
            connection.execute(mine.with_for_update())  # First, as all others that change a job do.
            tokens = _note_pictures(connection, owner, job_id, 0.0)
            connection.execute(delete(scenes).where(scenes.c.job_id.in_(mine)))
            gone = connection.execute(delete(jobs).where(this_job(owner, job_id))).rowcount == 1
            return tokens if gone else None

    def _earlier(
        self, connection: Connection, owner: str, key: str | None, body_hash: str, now: float
    ) -> str | None:
        if key is None:
            return None
        mine = and_(jobs.c.owner == owner, jobs.c.idempotency_key == key)
        stale = update(jobs).where(mine, jobs.c.created_at < now - IDEMPOTENCY_S)
        connection.execute(stale.values(idempotency_key=None))
        found = connection.execute(select(jobs.c.id, jobs.c.body_hash).where(mine)).one_or_none()
        if found is None:
            return None
        if found.body_hash != body_hash:
            raise OtherBody
        return str(found.id)


def new_job_id() -> str:
    """Return 128 random bits, which nobody guesses."""
    return secrets.token_hex(16)


def _note_pictures(connection: Connection, owner: str | None, job_id: str, since: float) -> list[str]:
    theirs = select(scenes.c.picture).join(jobs).where(this_job(owner, job_id), scenes.c.picture.is_not(None))
    noted = {secrets.token_hex(16): picture for picture in set(connection.execute(theirs).scalars())}
    for token, picture in noted.items():
        loose.leave(connection, token, picture, since)
    return list(noted)


def scene_row(job_id: str, number: int, scene: NewScene) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": number,
        "status": "queued",
        "job": scene.job,
        "deadline_s": scene.deadline_s,
        "not_before": 0.0,
        "attempts": 0,
        "losses": 0,
        "words_bytes": ROW_BYTES + len(scene.job.encode()),
        "picture_bytes": scene.picture_bytes,
    }


def this_job(owner: str | None, job_id: str) -> ColumnElement[bool]:
    this: ColumnElement[bool] = jobs.c.id == job_id
    return this if owner is None else and_(this, jobs.c.owner == owner)


def submitted_with(token_id: str) -> Select[tuple[str]]:
    """Select the ids of the jobs that were submitted with a token."""
    return select(jobs.c.id).where(jobs.c.token_id == token_id)


def check_key(connection: Connection, key_id: str | None, now: float) -> None:
    """Raise KeyEnded where the key has. It does not end while the transaction lasts."""
    if key_id is None:
        return
    this = select(keys.c.id).where(keys.c.id == key_id, not_(ended(now))).with_for_update(read=True)
    if connection.execute(this).first() is None:
        raise KeyEnded


def open_scenes(owner: str) -> ColumnElement[bool]:
    return and_(jobs.c.owner == owner, scenes.c.status.in_(("queued", "running")))


def worked_off_in_s(connection: Connection, owner: str, count: int, now: float) -> float | None:
    """Return the seconds for so many of the owner's scenes, at the pace of the last minutes."""
    since = now - LATELY_S
    done = select(func.count()).select_from(scenes.join(jobs))
    lately = connection.execute(done.where(jobs.c.owner == owner, scenes.c.ended_at > since)).scalar_one()
    return count * LATELY_S / lately if lately else None


def _ahead(connection: Connection, owner: str, created_at: float) -> int:
    """Count the open scenes of the owner's earlier jobs.

    They come first, since of each caller the oldest job does (serve/jobs/leases.py).
    """
    earlier = select(func.count()).select_from(scenes.join(jobs))
    return connection.execute(earlier.where(open_scenes(owner), jobs.c.created_at < created_at)).scalar_one()


def _counts(connection: Connection, job_ids: Sequence[str]) -> dict[str, Counter[str]]:
    counted: dict[str, Counter[str]] = {job_id: Counter() for job_id in job_ids}
    grouped = (
        select(scenes.c.job_id, scenes.c.status, func.count().label("n"))
        .where(scenes.c.job_id.in_(job_ids))
        .group_by(scenes.c.job_id, scenes.c.status)
    )
    for row in connection.execute(grouped):
        counted[row.job_id][row.status] = row.n
    return counted


def _state(
    row: Row[Any], counts: Counter[str], states: tuple[SceneState, ...] = (), ahead: int = 0
) -> JobState:
    cancelled = row.cancelled_at is not None
    held = row.held_at is not None and not cancelled and bool(counts["queued"] or counts["running"])
    return JobState(
        row.id, row.created_at, row.total, cancelled, dict(counts), states, ahead, row.owner, held
    )


def _scene_state(row: Row[Any]) -> SceneState:
    found = {name: getattr(row, name) for name in REPORTED_COLUMNS}
    return SceneState(**found | {"error": _json(row.error)})


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
