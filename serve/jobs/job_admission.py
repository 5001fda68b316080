"""Admit a job: find an earlier job with the same idempotency key, or refuse one over its tenant's limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, and_, func, not_, select, update

from deployments.errors import InvalidRequest, Overloaded

from ..http.error_responses import Refusal
from ..pictures.in_thread import ROOM_S
from ..state.job_tables import jobs, scenes
from ..state.storage_budget import StorageBudget, StorageFull, lock_storage
from ..state.tenant_tables import keys
from .ended_keys import ended
from .job_rows import open_scenes, worked_off_in_s

IDEMPOTENCY_S = 86_400.0
UNKNOWN_S = 30.0
"""The Retry-After in seconds if none of the owner's scenes has ended lately."""


class TooManyWaiting(Exception):
    """The owner has as many waiting scenes as allowed; `retry_after_s` is None if none ended lately."""

    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class KeyEnded(Exception):
    """The key was revoked or expired since it was checked."""


class PicturesGone(Exception):
    """A picture that a scene starts from no longer exists."""


class BudgetSpent(Exception):
    """The token has fewer megapixel-steps left than the job costs, which is `amount`."""

    def __init__(self, amount: float) -> None:
        super().__init__(amount)
        self.amount = amount


class OtherBody(Exception):
    """The idempotency key was used before with another body."""


@contextmanager
def refusals_in_words(max_waiting: int) -> Iterator[None]:
    """Turn the exceptions of admission into HTTP errors. `max_waiting` is the limit on waiting scenes."""
    try:
        yield
    except StorageFull as full:
        raise Refusal(507, "insufficient_storage", str(full), retry_after_s=ROOM_S) from None
    except KeyEnded:
        raise Refusal(401, "unauthenticated", "this key has expired or was revoked") from None
    except PicturesGone:
        message = "an input picture of this job has just expired or been removed: upload it again"
        raise InvalidRequest(message, "scenes") from None
    except OtherBody:
        message = "this Idempotency-Key was used for another body in the last 24 hours"
        raise InvalidRequest(message, "Idempotency-Key") from None
    except TooManyWaiting as full:
        message = f"at most {max_waiting} scenes may wait at once; try again when some are done"
        raise Overloaded(message, retry_after_s=full.retry_after_s or UNKNOWN_S) from None


class Beside(Protocol):
    """Row stored with a job, in the same transaction. `bytes` counts towards the tenant's storage."""

    @property
    def bytes(self) -> int: ...

    def add(self, connection: Connection, job_id: str, owner: str, now: float) -> None: ...


def admit_job(
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
    """Return the id of an earlier job with the same key, or None if a new job may be stored.

    Raises OtherBody, KeyEnded, TooManyWaiting or StorageFull if a new job is refused.
    """
    check_key(connection, key_id, now)
    if earlier := earlier_job(connection, owner, key, body_hash, now):
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


def earlier_job(
    connection: Connection, owner: str, key: str | None, body_hash: str, now: float
) -> str | None:
    """Return the id of the job with the same idempotency key. Raises OtherBody."""
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


def check_key(connection: Connection, key_id: str | None, now: float) -> None:
    """Raise KeyEnded if the key has ended. Otherwise it cannot end before the transaction does."""
    if key_id is None:
        return
    this = select(keys.c.id).where(keys.c.id == key_id, not_(ended(now))).with_for_update(read=True)
    if connection.execute(this).first() is None:
        raise KeyEnded
