"""Lease scenes to workers: claim a scene, renew its lease, end it.

Only the holder of a scene's lease works on it. Each claim makes a new lease, and only a scene's current lease
can end it, so a worker that was presumed dead and comes back changes nothing. Scenes are executed at least
once, and results are kept exactly once.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, case, delete, func, or_, select, update

from ..auth.quota_store import spend_budget
from ..graph.bill import Used
from ..pictures import loose_pictures as loose
from ..state.database import now_of
from ..state.job_tables import jobs, scenes
from ..usage import usage_store as usage
from ..usage.usage_store import Who
from ..webhooks import outbox
from .states import Claim
from .token_budgets import give_back_scenes

NOTHING: Mapping[Who, Used] = MappingProxyType({})
KEPT_BYTES = case((scenes.c.picture.is_(None), 0), else_=scenes.c.picture_bytes)
"""The bytes of the picture that a failed scene keeps: a page that was painted before has its old picture."""
LONGEST_WAIT_S = 3_600.0
"""The longest wait for another attempt: a later `not_before` was written before the clock was set back."""


class Leases:
    """The leases of scenes. Every method is one transaction and raises SQLAlchemyError.

    `now` defaults to the database's time, the only clock that workers on several machines share.
    """

    def __init__(self, engine: Engine, lease_s: float, max_attempts: int, max_losses: int) -> None:
        self._engine = engine
        self._lease_s = lease_s
        self._max_attempts = max_attempts
        self._max_losses = max_losses

    def claim(self, now: float | None = None) -> Claim | None:
        """Lease the next waiting scene.

        The owner with the fewest running scenes comes first, then its oldest job, then the first scene there.
        """
        with self._engine.begin() as connection:
            now = now_of(connection, now)
            waiting = and_(
                scenes.c.status == "queued",
                or_(scenes.c.not_before <= now, scenes.c.not_before > now + LONGEST_WAIT_S),
            )
            for job_id in self._jobs_in_order(connection, waiting):
                scene = connection.execute(
                    select(scenes)
                    .where(scenes.c.job_id == job_id, waiting)
                    .order_by(scenes.c.number)
                    .limit(1)
                    .with_for_update(skip_locked=True)
                ).one_or_none()
                if scene is None:
                    continue
                job = connection.execute(select(jobs.c.owner, jobs.c.key_id).where(jobs.c.id == job_id)).one()
                claim = Claim(
                    secrets.token_hex(16),
                    job_id,
                    scene.number,
                    scene.job,
                    scene.deadline_s,
                    scene.first_painted,
                    job.owner,
                    scene.key_id or job.key_id,
                )
                connection.execute(
                    update(scenes)
                    .where(scenes.c.job_id == job_id, scenes.c.number == scene.number)
                    .values(status="running", lease=claim.lease, lease_until=now + self._lease_s)
                )
                return claim
        return None

    def _jobs_in_order(self, connection: Connection, waiting: ColumnElement[bool]) -> list[str]:
        under_way = (
            select(jobs.c.owner, func.count().label("n"))
            .select_from(scenes.join(jobs))
            .where(scenes.c.status == "running")
            .group_by(jobs.c.owner)
            .subquery()
        )
        in_turn = (
            select(jobs.c.id)
            .outerjoin(under_way, under_way.c.owner == jobs.c.owner)
            .where(jobs.c.held_at.is_(None), jobs.c.id.in_(select(scenes.c.job_id).where(waiting)))
            .order_by(func.coalesce(under_way.c.n, 0), jobs.c.created_at, jobs.c.id)
            .limit(8)
        )
        return list(connection.execute(in_turn).scalars())

    def renew(self, leases: Iterable[str], now: float | None = None) -> set[str]:
        """Renew leases, and return those that are still valid.

        The scenes of the others were cancelled, or given to another worker.
        """
        mine = scenes.c.lease.in_(list(leases))
        with self._engine.begin() as connection:
            until = now_of(connection, now) + self._lease_s
            connection.execute(update(scenes).where(mine).values(lease_until=until))
            return set(connection.execute(select(scenes.c.lease).where(mine)).scalars())

    def recover(self, now: float | None = None) -> int:
        """Requeue the scenes of workers that are gone, and return how many there were.

        A worker's death says little about its scene, so it costs no attempt. But a scene that loses worker
        after worker fails in the end.
        """
        error = {"code": "generation_failed", "message": "the workers that painted it were lost too often"}
        with self._engine.begin() as connection:
            now = now_of(connection, now)
            # A lease is never that long: it was given before the clock was set back, and not renewed since.
            impossible = scenes.c.lease_until > now + 2 * self._lease_s
            gone = and_(scenes.c.status == "running", or_(scenes.c.lease_until < now, impossible))
            lost = and_(gone, scenes.c.losses >= self._max_losses - 1)
            give_back_scenes(connection, lost)
            hopeless = update(scenes).where(lost)
            ended = _end("failed", now) | {"picture_bytes": KEPT_BYTES}
            failed = connection.execute(hopeless.values(**ended, error=json.dumps(error)))
            again = update(scenes).where(gone).values(**_back(0.0), losses=scenes.c.losses + 1)
            return connection.execute(again).rowcount + failed.rowcount

    def begin_keeping(self, lease: str, picture: str, now: float | None = None) -> bool:
        """Note that a scene's picture is about to be kept.

        Returns False if the lease was lost: the picture must not be kept then. Raises BeingDropped.
        """
        with self._engine.begin() as connection:
            held = connection.execute(select(scenes.c.lease).where(scenes.c.lease == lease)).first()
            if held is not None:
                loose.begin(connection, lease, picture, now_of(connection, now))
            return held is not None

    def succeed(
        self,
        lease: str,
        picture: str,
        picture_format: str,
        headers: dict[str, str],
        now: float | None = None,
        painted: str | None = None,
        picture_bytes: int = 0,
        used: Mapping[Who, Used] = NOTHING,
        cost: float = 0.0,
    ) -> bool:
        """Record a scene's result, together with what was `used` for it and what it `cost`.

        Returns False if the lease was lost; the picture then stays loose. The scene's previous picture, if it
        had another one, becomes loose.

        `painted` identifies the painting if the name of its file does not (kept_scenes.py).
        """
        first = func.coalesce(scenes.c.first_painted, painted or picture)
        values = {
            "picture": picture,
            "format": picture_format,
            "headers": json.dumps(headers),
            "first_painted": first,
            "changed": first != (painted or picture),
            "picture_bytes": picture_bytes,
        }
        mine = update(scenes).where(scenes.c.lease == lease).values(token_steps=None)  # They are now spent.
        with self._engine.begin() as connection:
            ended = _end("succeeded", now_of(connection, now))
            old = connection.execute(select(scenes.c.picture).where(scenes.c.lease == lease)).scalar()
            kept = connection.execute(mine.values(**ended, **values)).rowcount == 1
            if kept:
                loose.settle(connection, lease)
                if old is not None and old != picture:
                    loose.leave(connection, secrets.token_hex(16), old)
                usage.add(connection, used, now)
                for owner, _ in used:
                    spend_budget(connection, owner, cost, now_of(connection, now))
            return kept

    def fail(
        self, lease: str, error: dict[str, Any], retry_in_s: float | None, now: float | None = None
    ) -> bool:
        """Count a failed attempt. Retry after `retry_in_s`, unless that is None or it was the last."""
        with self._engine.begin() as connection:
            mine = scenes.c.lease == lease
            attempts = connection.execute(select(scenes.c.attempts).where(mine)).scalar_one_or_none()
            if attempts is None:
                return False
            now = now_of(connection, now)
            over = retry_in_s is None or attempts + 1 >= self._max_attempts
            values = _end("failed", now) if over or retry_in_s is None else _back(now + retry_in_s)
            counted: dict[str, Any] = {"attempts": attempts + 1, "error": json.dumps(error) if over else None}
            if over:
                counted["picture_bytes"] = KEPT_BYTES
                give_back_scenes(connection, mine)
            return connection.execute(update(scenes).where(mine).values(**values, **counted)).rowcount == 1

    def put_back(self, lease: str, wait_s: float, now: float | None = None) -> bool:
        """Requeue a scene for later without counting an attempt, since there was no room for it."""
        mine = update(scenes).where(scenes.c.lease == lease)
        with self._engine.begin() as connection:
            values = _back(now_of(connection, now) + wait_s)
            return connection.execute(mine.values(**values)).rowcount == 1

    def forget(self, retention_s: float, limit: int = 100, now: float | None = None) -> int:
        """Delete jobs whose last scene ended more than `retention_s` ago, and return how many.

        Their pictures become loose. A job stays while its webhook is still to be delivered.
        """
        with self._engine.begin() as connection:
            before = now_of(connection, now) - retention_s
            open_ = select(scenes.c.job_id).where(scenes.c.ended_at.is_(None) | (scenes.c.ended_at >= before))
            ended = and_(jobs.c.id.not_in(open_), jobs.c.id.not_in(outbox.jobs_with_open_deliveries()))
            old = select(jobs.c.id).where(jobs.c.created_at < before, ended).limit(limit)
            gone = list(connection.execute(old).scalars())
            if gone:
                theirs = scenes.c.job_id.in_(gone)
                has_one = theirs & scenes.c.picture.is_not(None)
                pictures = set(connection.execute(select(scenes.c.picture).where(has_one)).scalars())
                for picture in pictures:
                    loose.leave(connection, secrets.token_hex(16), picture)
                connection.execute(delete(scenes).where(theirs))
                connection.execute(delete(jobs).where(jobs.c.id.in_(gone)))
            return len(gone)


def _end(status: str, now: float) -> dict[str, Any]:
    return {"status": status, "lease": None, "lease_until": None, "ended_at": now}


def _back(not_before: float) -> dict[str, Any]:
    return {"status": "queued", "lease": None, "lease_until": None, "not_before": not_before}
