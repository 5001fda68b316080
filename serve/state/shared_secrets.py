"""Secrets that all replicas of a service share, and that sign links and tokens. Each is made once.

A secret that is replaced signs nothing more, and what it has signed stays valid until it expires.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ..config.access import Signed
from ..config.job_config import DAY_S
from .database import now_of, reading
from .tenant_tables import shared_secrets, signing_secrets

LASTS_S: dict[Signed, float] = {"links": 7 * DAY_S, "tokens": 3_600.0}
"""The longest validity of signed links and tokens: see ResultConfig and TokenRequest."""
READ_EVERY_S, RETRY_S = 5.0, 1.0
KNOWN_AFTER_S = 15.0
"""The time until every replica knows a new secret. It signs only from then on, so that all can verify it."""


@dataclass(frozen=True)
class SigningSecret:
    """A secret, when it begins to sign, and when it ceases to verify, in seconds since 1970."""

    secret: bytes
    signs_from: float = 0.0
    ends_at: float | None = None


class SharedSecrets:
    """A process's copy of the secrets of one name. Its methods block and are thread-safe.

    They raise SQLAlchemyError if the secrets were never read. `clock` is monotonic.
    """

    def __init__(self, engine: Engine, name: Signed, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine, self._name, self._clock = engine, name, clock
        self._known: list[SigningSecret] = []
        self._read_at = self._next_at = float("-inf")
        self._store_now = 0.0
        self._lock = threading.Lock()

    def signing(self) -> bytes:
        """Return the secret that currently signs."""
        known, now = self._read()
        return next(each.secret for each in known if each.signs_from <= now)

    def verifying(self) -> list[bytes]:
        """Return all secrets that verify, the newest first."""
        known, now = self._read()
        return [each.secret for each in known if each.ends_at is None or each.ends_at > now]

    def is_fresh(self) -> bool:
        """Return whether the known secrets are recent, so that no method would block."""
        return self._clock() < self._next_at

    def _read(self) -> tuple[list[SigningSecret], float]:
        with self._lock:
            if not self.is_fresh():
                at = self._clock()
                try:
                    self._known, self._store_now = all_secrets(self._engine, self._name)
                    self._read_at, self._next_at = at, at + READ_EVERY_S
                except SQLAlchemyError:
                    if not self._known:
                        raise
                    self._next_at = self._clock() + RETRY_S
            return self._known, self._store_now + self._clock() - self._read_at


def all_secrets(engine: Engine, name: Signed, now: float | None = None) -> tuple[list[SigningSecret], float]:
    """Return the secrets that sign or verify, the newest first, and the database's time."""
    mine = select(signing_secrets).where(signing_secrets.c.name == name)
    with reading(engine) as connection:
        now = now_of(connection, now)
        lasting = or_(signing_secrets.c.ends_at.is_(None), signing_secrets.c.ends_at > now)
        newest_first = signing_secrets.c.signs_from.desc()
        rows = connection.execute(mine.where(lasting).order_by(newest_first)).all()
    found = [SigningSecret(row.secret.encode(), row.signs_from, row.ends_at) for row in rows]
    return found or [SigningSecret(shared_secret(engine, name))], now


def rotate(engine: Engine, name: Signed, at_once: bool = False, now: float | None = None) -> float:
    """Make a new secret, and return when it begins to sign.

    The old one verifies until all that it signed has expired. `at_once` deletes the old ones, for example
    after a leak, which invalidates what they signed.
    """
    old = shared_secret(engine, name)
    with engine.begin() as connection:
        one = shared_secrets.c.name == name
        connection.execute(select(shared_secrets).where(one).with_for_update())
        now = now_of(connection, now)
        mine = signing_secrets.c.name == name
        new, signs_from = secrets.token_hex(32), now if at_once else now + KNOWN_AFTER_S
        if at_once:
            connection.execute(delete(signing_secrets).where(mine))
        else:
            _end_old(connection, name, old.decode(), signs_from + LASTS_S[name], now)
        connection.execute(insert(signing_secrets).values(name=name, secret=new, signs_from=signs_from))
        # Earlier versions of this service sign with this row.
        connection.execute(update(shared_secrets).where(one).values(secret=new))
    return signs_from


def _end_old(connection: Connection, name: Signed, first: str, ends_at: float, now: float) -> None:
    mine, ends = signing_secrets.c.name == name, signing_secrets.c.ends_at
    if connection.execute(select(signing_secrets.c.secret).where(mine).limit(1)).first() is None:
        connection.execute(insert(signing_secrets).values(name=name, secret=first, signs_from=0.0))
    connection.execute(delete(signing_secrets).where(mine, ends <= now))
    connection.execute(update(signing_secrets).where(mine, ends.is_(None)).values(ends_at=ends_at))


def shared_secret(engine: Engine, name: str) -> bytes:
    """Return the newest secret of this name, made at the first call by any replica.

    Raises SQLAlchemyError.
    """
    mine = select(shared_secrets.c.secret).where(shared_secrets.c.name == name)
    with reading(engine) as connection:
        found = connection.execute(mine).scalar_one_or_none()
    if found is not None:
        return str(found).encode()
    for _ in range(2):
        try:
            with engine.begin() as connection:
                found = connection.execute(mine).scalar_one_or_none()
                if found is None:
                    found = secrets.token_hex(32)
                    connection.execute(insert(shared_secrets).values(name=name, secret=found))
                return str(found).encode()
        except IntegrityError:  # Made by another process since we looked.
            continue
    raise AssertionError("unreachable")
