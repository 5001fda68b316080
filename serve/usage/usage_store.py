"""Store each tenant's usage by day and key, in the database of jobs. Days are in UTC.

All functions raise SQLAlchemyError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from deployments.messages import Usage

from ..graph.bill import Used
from ..state.database import now_of, reading
from ..state.tenant_tables import usage

KEPT_DAYS = 400
"""A year, plus the time that accounting may need."""
Who = tuple[str, str]
"""A tenant and the id of its key; both are empty if no key was required."""


@dataclass(frozen=True, kw_only=True)
class UsedOnDay:
    day: date
    key: str
    used: Used


def add(connection: Connection, used: Mapping[Who, Used], now: float | None = None) -> None:
    """Add to today's usage, inside a transaction."""
    if not used:
        return
    made = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(usage)
    numbers = ("pictures", "device_s", "megapixel_steps")
    summed = {name: usage.c[name] + made.excluded[name] for name in numbers}
    day = day_of(now_of(connection, now)).isoformat()
    # Use the same order everywhere: two concurrent writers could otherwise deadlock.
    for (owner, key), each in sorted(used.items(), key=lambda item: item[0]):
        took = each.took
        row = {"owner": owner, "day": day, "key_id": key, "pictures": each.pictures}
        row |= {"device_s": took.device_s, "megapixel_steps": took.megapixel_steps}
        statement = made.on_conflict_do_update(index_elements=["owner", "day", "key_id"], set_=summed)
        connection.execute(statement, row)


def day_of(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def today(engine: Engine) -> date:
    with reading(engine) as connection:
        return day_of(now_of(connection))


def listed(
    engine: Engine,
    owner: str,
    since: date,
    until: date,
    key: str | None,
    limit: int,
    after: tuple[date, str] | None = None,
) -> list[UsedOnDay]:
    """Return a tenant's usage on these days, the newest first. `after`: the last entry of the page before."""
    where = _these(owner, since, until, key)
    if after is not None:
        day, last_key = after
        later_key = and_(usage.c.day == day.isoformat(), usage.c.key_id > last_key)
        where = and_(where, or_(usage.c.day < day.isoformat(), later_key))
    rows = select(usage).where(where).order_by(usage.c.day.desc(), usage.c.key_id).limit(limit)
    with reading(engine) as connection:
        return [
            UsedOnDay(day=date.fromisoformat(row.day), key=row.key_id, used=_used(row))
            for row in connection.execute(rows)
        ]


def total(engine: Engine, owner: str, since: date, until: date, key: str | None) -> Used:
    """Return a tenant's total usage over these days."""
    sums = (
        func.coalesce(func.sum(usage.c[name]), 0).label(name)
        for name in ("pictures", "device_s", "megapixel_steps")
    )
    with reading(engine) as connection:
        return _used(connection.execute(select(*sums).where(_these(owner, since, until, key))).one())


def forget(engine: Engine, now: float | None = None) -> int:
    """Delete days older than KEPT_DAYS. Return the number of rows."""
    with engine.begin() as connection:
        first = day_of(now_of(connection, now)) - timedelta(days=KEPT_DAYS)
        return connection.execute(delete(usage).where(usage.c.day < first.isoformat())).rowcount


def _these(owner: str, since: date, until: date, key: str | None) -> Any:
    days = usage.c.day.between(since.isoformat(), until.isoformat())
    mine = and_(usage.c.owner == owner, days)
    return mine if key is None else and_(mine, usage.c.key_id == key)


def _used(row: Row[Any]) -> Used:
    return Used(int(row.pictures), Usage(float(row.device_s), float(row.megapixel_steps)))
