"""Store the webhooks to deliver, in the database of the jobs that most of them report.

A delivery is written with its job, in one transaction, and falls due once no scene of the job is open. So
none is lost, whatever dies in between. It is sent at least once, always with the same id.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Select,
    and_,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)

from ..state.database import now_of, reading
from ..state.job_tables import jobs, scenes, stories, webhook_deliveries

deliveries = webhook_deliveries

EVENT, STORY_EVENT = "job.ended", "story.ended"
RETRY_AFTER_S = (5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 21_600, 36_000)
"""The pauses between attempts: almost a day in total."""
LEASE_S = 120.0
"""The time for which a claimed delivery is reserved: longer than any attempt takes."""
KEPT_S = 30 * 86_400.0
LONGEST_ERROR = 200
ANY_NUMBER: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """A webhook to deliver. Its `status` is pending (its job has not ended), due, delivered or failed.

    `body` is the JSON to send if the delivery does not report a job.
    """

    id: str
    owner: str
    job_id: str | None
    url: str
    status: Literal["pending", "due", "delivered", "failed"]
    attempts: int
    created_at: float
    due_at: float
    last_error: str | None = None
    body: str | None = None


def report(
    connection: Connection, owner: str, url: str, event: str, data: Mapping[str, Any], now: float
) -> None:
    """Add a delivery that reports no job, but for example a spent budget, in the caller's transaction."""
    timestamp = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    body = json.dumps({"type": event, "timestamp": timestamp, "data": dict(data)})
    row = {"id": f"msg_{secrets.token_hex(12)}", "owner": owner, "url": url, "body": body}
    connection.execute(insert(deliveries).values(**row, created_at=now, due_at=now, attempts=0))


def forget(engine: Engine, now: float | None = None) -> int:
    """Delete old closed deliveries that report no job, and return how many. Others go with their jobs."""
    with engine.begin() as connection:
        before = now_of(connection, now) - KEPT_S
        old = and_(deliveries.c.job_id.is_(None), deliveries.c.created_at < before, not_(_open()))
        return connection.execute(delete(deliveries).where(old)).rowcount


def add(connection: Connection, job_id: str, owner: str, url: str, now: float) -> None:
    """Add the delivery that reports a job's end, in the transaction that stores the job."""
    row = {"id": f"msg_{secrets.token_hex(12)}", "job_id": job_id, "owner": owner, "url": url}
    connection.execute(insert(deliveries).values(**row, created_at=now, due_at=now, attempts=0))


def claim(
    engine: Engine, limit: int, places: Mapping[str, int] = ANY_NUMBER, now: float | None = None
) -> list[Delivery]:
    """Claim deliveries that are due, the longest overdue first.

    `places` limits how many of a tenant are claimed. Fewer than `limit` may be claimed although more are due.
    """
    left = Counter(places)
    busy = [owner for owner, n in places.items() if n <= 0]
    with engine.begin() as connection:
        now = now_of(connection, now)
        due = (
            select(deliveries)
            .where(_open(), _job_has_ended(), deliveries.c.due_at <= now, deliveries.c.owner.not_in(busy))
            .order_by(deliveries.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True, of=deliveries)
        )
        rows = []
        for row in connection.execute(due):
            if row.owner not in places or left[row.owner] > 0:
                left[row.owner] -= 1
                rows.append(row)
        if rows:
            taken = deliveries.c.id.in_([row.id for row in rows])
            connection.execute(update(deliveries).where(taken).values(due_at=now + LEASE_S))
    return [_delivery(row, "due") for row in rows]


def body_of(engine: Engine, delivery: Delivery) -> dict[str, Any] | None:
    """Return the body of a delivery, or None if the job that it reports was removed meanwhile."""
    if delivery.job_id is not None:
        return payload(engine, delivery.job_id)
    body: dict[str, Any] = json.loads(delivery.body or "{}")
    return body


def payload(engine: Engine, job_id: str) -> dict[str, Any] | None:
    """Return the body that reports a job's end, or None if the job was removed meanwhile."""
    with reading(engine) as connection:
        job = connection.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
        if job is None:
            return None
        grouped = (
            select(scenes.c.status, func.count()).where(scenes.c.job_id == job_id).group_by(scenes.c.status)
        )
        counts = {str(status): int(n) for status, n in connection.execute(grouped)}
        is_story = connection.execute(select(stories.c.job_id).where(stories.c.job_id == job_id)).first()
        last = select(func.max(scenes.c.ended_at)).where(scenes.c.job_id == job_id)
        ended_at = connection.execute(last).scalar_one() or job.created_at
    status = (
        "cancelled" if job.cancelled_at is not None else "failed" if counts.get("failed") else "succeeded"
    )
    return {
        "type": STORY_EVENT if is_story else EVENT,
        "timestamp": datetime.fromtimestamp(ended_at, UTC).isoformat(timespec="seconds"),
        "data": {
            "id": job_id,
            "status": status,
            "total": job.total,
            "done": counts.get("succeeded", 0),
            "failed": counts.get("failed", 0),
            "created": int(job.created_at),
        },
    }


def jobs_with_open_deliveries() -> Select[tuple[str]]:
    """Select the ids of the jobs whose webhook is neither delivered nor given up."""
    # Leave out deliveries without a job: `NOT IN` matches nothing if the list holds a NULL.
    return select(deliveries.c.job_id).where(_open(), deliveries.c.job_id.is_not(None))


def open_deliveries() -> ColumnElement[bool]:
    """Return the condition that some webhook is neither delivered nor given up."""
    return exists().where(_open())


def delivered(engine: Engine, delivery: Delivery, now: float | None = None) -> None:
    with engine.begin() as connection:
        values = {"delivered_at": now_of(connection, now), "last_error": None}
        _write(connection, delivery, values)


def failed(
    engine: Engine, delivery: Delivery, error: str, final: bool = False, now: float | None = None
) -> bool:
    """Count a failed attempt. Return whether another will follow: not after a day, nor if it is `final`."""
    with engine.begin() as connection:
        now = now_of(connection, now)
        again = not final and delivery.attempts < len(RETRY_AFTER_S)
        said = "".join(each if each.isprintable() else " " for each in error[:LONGEST_ERROR])
        values: dict[str, Any] = {"last_error": said}  # PostgreSQL accepts no NUL and no lone surrogate.
        values |= {"due_at": now + RETRY_AFTER_S[delivery.attempts]} if again else {"failed_at": now}
        _write(connection, delivery, values)
    return again


def listed(engine: Engine, owner: str | None = None, limit: int = 100) -> list[Delivery]:
    """Return deliveries of one tenant, or of all, the newest first."""
    ended = _job_has_ended().label("ended")
    rows = select(deliveries, ended).order_by(deliveries.c.created_at.desc(), deliveries.c.id).limit(limit)
    with reading(engine) as connection:
        found = connection.execute(rows if owner is None else rows.where(deliveries.c.owner == owner)).all()
    return [_delivery(row, "due" if row.ended else "pending") for row in found]


def of_job(connection: Connection, job_id: str) -> Delivery | None:
    """Return the delivery that reports a job's end, if there is one."""
    ended = _job_has_ended().label("ended")
    row = connection.execute(select(deliveries, ended).where(deliveries.c.job_id == job_id)).one_or_none()
    return None if row is None else _delivery(row, "due" if row.ended else "pending")


def replay(engine: Engine, delivery_id: str, now: float | None = None) -> bool:
    """Make a delivery due again, under the same id, once its job has ended. Return whether it exists."""
    values = {"delivered_at": None, "failed_at": None, "attempts": 0, "last_error": None}
    with engine.begin() as connection:
        this = update(deliveries).where(deliveries.c.id == delivery_id)
        return connection.execute(this.values(due_at=now_of(connection, now), **values)).rowcount == 1


def _write(connection: Connection, delivery: Delivery, values: dict[str, Any]) -> None:
    """Record an attempt's outcome, unless the delivery was replayed meanwhile."""
    this = and_(deliveries.c.id == delivery.id, deliveries.c.attempts == delivery.attempts)
    connection.execute(update(deliveries).where(this).values(attempts=delivery.attempts + 1, **values))


def _open() -> ColumnElement[bool]:
    return and_(deliveries.c.delivered_at.is_(None), deliveries.c.failed_at.is_(None))


def _job_has_ended() -> ColumnElement[bool]:
    open_ = and_(
        scenes.c.job_id == deliveries.c.job_id, or_(scenes.c.status == "queued", scenes.c.status == "running")
    )
    return not_(exists().where(open_))


def _delivery(row: Any, waiting: Literal["pending", "due"]) -> Delivery:
    status: Literal["pending", "due", "delivered", "failed"] = waiting
    if row.delivered_at is not None:
        status = "delivered"
    elif row.failed_at is not None:
        status = "failed"
    names = ("id", "owner", "job_id", "url", "attempts", "created_at", "due_at", "last_error", "body")
    return Delivery(status=status, **{name: getattr(row, name) for name in names})
