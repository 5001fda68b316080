"""Store requests that may be repeated: who makes the response to each, and which result it was.

A request with a key is carried out once. The first to arrive has a lease while it paints. The same request
waits for it meanwhile, and gets the same response again later. Every method is one transaction and raises
SQLAlchemyError.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..state.database import now_of, reading
from ..state.picture_tables import repeated_requests as rows

KEPT_S = 86_400.0


@dataclass(frozen=True)
class Mine:
    """The caller makes the response."""

    lease: str


@dataclass(frozen=True)
class Answered:
    """The response has already been made."""

    result_id: str
    headers: dict[str, str]


@dataclass(frozen=True)
class UnderWay:
    """Another request is making the response."""


class OtherBody(Exception):
    """The key was used before with another body."""


class RepeatedRequests:
    """The stored requests. `now` is in seconds since 1970, and defaults to the database's time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def claim(
        self, owner: str, key: str, body_hash: str, lease_s: float, now: float | None = None
    ) -> Mine | Answered | UnderWay:
        """Return who makes the response: this request, if nobody else does. Raises OtherBody."""
        try:
            return self._claim(owner, key, body_hash, lease_s, now)
        except IntegrityError:  # Claimed by another process since we looked (PostgreSQL).
            return self._claim(owner, key, body_hash, lease_s, now)

    def _claim(
        self, owner: str, key: str, body_hash: str, lease_s: float, given_now: float | None
    ) -> Mine | Answered | UnderWay:
        mine, lease = _of(owner, key), secrets.token_hex(16)
        with self._engine.begin() as connection:
            now = now_of(connection, given_now)
            connection.execute(delete(rows).where(mine, rows.c.expires_at <= now))
            row = connection.execute(select(rows).where(mine).with_for_update()).one_or_none()
            held = {"lease": lease, "lease_until": now + lease_s, "expires_at": now + KEPT_S}
            if row is None:
                whose = {"owner": owner, "idempotency_key": key, "body_hash": body_hash}
                connection.execute(insert(rows).values(**whose, **held))
                return Mine(lease)
            if row.body_hash != body_hash:
                raise OtherBody
            if row.result_id is not None:
                return Answered(row.result_id, json.loads(row.headers))
            if row.lease_until > now:
                return UnderWay()
            connection.execute(update(rows).where(mine).values(**held))
            return Mine(lease)

    def is_under_way(self, owner: str, key: str) -> bool:
        """Return whether another request is making the response, so that this one would only wait for it."""
        mine = select(rows.c.result_id, rows.c.lease_until).where(_of(owner, key))
        with reading(self._engine) as connection:
            row = connection.execute(mine).one_or_none()
            return row is not None and row.result_id is None and row.lease_until > now_of(connection)

    def answer(self, owner: str, key: str, lease: str, result_id: str, headers: dict[str, str]) -> None:
        """Record which result the response was. Nothing is recorded if the lease was lost."""
        with self._engine.begin() as connection:
            mine = update(rows).where(_of(owner, key), rows.c.lease == lease)
            connection.execute(mine.values(result_id=result_id, headers=json.dumps(headers)))

    def abandon(self, owner: str, key: str, lease: str) -> None:
        """Let the next request with the key make the response, since this one made none."""
        with self._engine.begin() as connection:
            unanswered = rows.c.lease == lease, rows.c.result_id.is_(None)
            connection.execute(delete(rows).where(_of(owner, key), *unanswered))


def _of(owner: str, key: str) -> ColumnElement[bool]:
    return and_(rows.c.owner == owner, rows.c.idempotency_key == key)
