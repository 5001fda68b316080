"""Create, list, revoke and replace tenants' keys in the database of jobs.

Every method is one transaction. All of them raise SQLAlchemyError.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, or_, select, update

from ..config.access import EndedWork, Scope
from ..config.job_config import JobConfig
from ..state.database import now_of, reading
from ..state.open_state import open_state
from ..state.tenant_tables import keys, tenants
from .keys import Key, digest

MAX_NAME_CHARS = 64
LIMITS = ("rate", "burst", "concurrent", "monthly_budget")


class KeyFault(ValueError):
    """The request cannot be met; the message says why."""


class KeyStore:
    """The keys of one service."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def all(self) -> tuple[Key, ...]:
        """Return every key, even ended ones, with its tenant's limits, oldest first."""
        return self.read()[0]

    def read(self) -> tuple[tuple[Key, ...], float]:
        """Return all keys, and the time in seconds since 1970 by the clock that decides when they end."""
        limits = (tenants.c[name] for name in LIMITS)
        statement = select(keys, *limits).join(tenants).order_by(keys.c.created_at, keys.c.id)
        with reading(self.engine) as connection:
            return tuple(map(_key, connection.execute(statement))), now_of(connection)

    def create(
        self,
        name: str,
        scopes: tuple[Scope, ...],
        tenant: str | None = None,
        expires_at: float | None = None,
        usual_concurrent: int | None = None,
        **limits: float | int | None,
    ) -> tuple[Key, str]:
        """Create a key. Return it as stored, and its text, which cannot be read again.

        Without `tenant`, a new tenant with the key's name is created. A new tenant has `usual_concurrent`
        unless `limits` say otherwise. Raises KeyFault if a tenant to be created already exists, or if limits
        are given for an existing tenant.
        """
        called = _checked(name if tenant is None else tenant)
        with self.engine.begin() as connection:
            found = connection.execute(select(tenants.c.name).where(tenants.c.name == called)).first()
            if found and tenant is None:
                raise KeyFault(
                    f"there is already a tenant {called}: give it another key with --tenant,"
                    " or choose another name"
                )
            if found and any(limits.get(limit) is not None for limit in LIMITS):
                raise KeyFault(f"the tenant {called} already has limits: change them with `keys limit`")
            if not found:
                given = {name: value for name, value in limits.items() if value is not None}
                row = {"created_at": now_of(connection), "concurrent": usual_concurrent} | given
                connection.execute(insert(tenants).values(name=called, **row))
            return _add(connection, name, called, scopes, expires_at)

    def revoke(self, key_id: str, work: EndedWork | None = None) -> Key | None:
        """Revoke a key and return it as now stored, or None if there is no such key."""
        with self.engine.begin() as connection:
            now = now_of(connection)
            values: dict[str, Any] = {"revoked_at": func.coalesce(keys.c.revoked_at, now)}
            if work:
                # The work of a key that had already ended is checked once more.
                values |= {"work": work, "settled_at": None}
            connection.execute(update(keys).where(keys.c.id == key_id).values(values))
            return _one(connection, key_id)

    def replace(
        self, key_id: str, grace_s: float = 0.0, expires_at: float | None = None
    ) -> tuple[Key, str] | None:
        """Create a new key for the tenant of an old one, which ends after `grace_s` and whose work goes on.

        Returns None if there is no such key. Raises KeyFault if it has ended.
        """
        with self.engine.begin() as connection:
            old, now = _one(connection, key_id), now_of(connection)
            if old is None:
                return None
            if end := old.end(now):
                raise KeyFault(f"the key {key_id} {end}: give its tenant a new one with --tenant")
            sooner = min(now + grace_s, now + grace_s if old.expires_at is None else old.expires_at)
            ends = {"expires_at": sooner} if grace_s else {"revoked_at": now}
            connection.execute(update(keys).where(keys.c.id == key_id).values(work="finish", **ends))
            return _add(connection, old.name, old.tenant, old.scopes, expires_at or old.expires_at)

    def limit(self, tenant: str, **limits: float | int | str | None) -> bool:
        """Change what a tenant may use. Return False if there is no such tenant."""
        given = {name: value for name, value in limits.items() if value is not None}
        with self.engine.begin() as connection:
            statement = update(tenants).where(tenants.c.name == tenant).values(given)
            return connection.execute(statement).rowcount == 1

    def used(self, key_id: str, at: float) -> None:
        """Record when a key was used."""
        later = or_(keys.c.last_used_at.is_(None), keys.c.last_used_at < at)
        with self.engine.begin() as connection:
            connection.execute(update(keys).where(keys.c.id == key_id, later).values(last_used_at=at))


def _checked(tenant: str) -> str:
    if not 1 <= len(tenant) <= MAX_NAME_CHARS or not tenant.isprintable() or tenant != tenant.strip():
        raise KeyFault(
            f"a tenant's name must have 1 to {MAX_NAME_CHARS} printable characters and no space at either end"
        )
    return tenant


def _add(
    connection: Connection, name: str, tenant: str, scopes: tuple[Scope, ...], expires_at: float | None
) -> tuple[Key, str]:
    key_id = secrets.token_hex(4)
    whole = f"sw_{key_id}_{secrets.token_urlsafe(32)}"
    row = {"id": key_id, "tenant": tenant, "name": name, "sha256": digest(whole), "scopes": " ".join(scopes)}
    times = {"created_at": now_of(connection), "expires_at": expires_at}
    connection.execute(insert(keys).values(**row, **times))
    kept = _one(connection, key_id)
    assert kept is not None  # noqa: S101 (it was written a line ago)
    return kept, whole


def _one(connection: Connection, key_id: str) -> Key | None:
    statement = select(keys, *(tenants.c[name] for name in LIMITS)).join(tenants).where(keys.c.id == key_id)
    found = connection.execute(statement).one_or_none()
    return None if found is None else _key(found)


def _key(row: Row[Any]) -> Key:
    kept = dict(row._mapping)
    del kept["settled_at"]
    return Key(**kept | {"scopes": tuple(kept["scopes"].split())})


def open_keys(state_folder: Path, jobs: JobConfig | None = None) -> KeyStore:
    """Return the keys of the service with this state folder and these settings.

    Raises OSError, SQLAlchemyError, and NewerDatabase.
    """
    return KeyStore(open_state(state_folder, jobs or JobConfig()))
