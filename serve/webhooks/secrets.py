"""The secrets that sign webhooks: one for each tenant, with which its receivers verify them."""

from __future__ import annotations

import base64
import secrets

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import IntegrityError

from ..state.database import now_of
from ..state.job_tables import webhook_secrets

PREFIX = "whsec_"
OVERLAP_S = 86_400.0
"""The time after a rotation during which webhooks are signed with the old secret too."""


def secret_of(engine: Engine, owner: str) -> str:
    """Return the secret of a tenant, made at the first call. Raises SQLAlchemyError."""
    return signing_secrets(engine, owner)[0]


def signing_secrets(engine: Engine, owner: str, now: float | None = None) -> list[str]:
    """Return the secrets that currently sign a tenant's webhooks, the newest first."""
    try:
        with engine.begin() as connection:
            return _secrets(connection, owner, now_of(connection, now))
    except IntegrityError:  # Made by another process since we looked.
        with engine.begin() as connection:
            return _secrets(connection, owner, now_of(connection, now))


def rotate(engine: Engine, owner: str, now: float | None = None) -> str:
    """Make a new secret. The old one signs for another day."""
    signing_secrets(engine, owner, now)
    with engine.begin() as connection:
        mine = webhook_secrets.c.owner == owner
        old = connection.execute(select(webhook_secrets.c.secret).where(mine).with_for_update()).scalar_one()
        new = _new_secret()
        values = {"secret": new, "previous": old, "rotated_at": now_of(connection, now)}
        connection.execute(update(webhook_secrets).where(mine).values(**values))
    return new


def _secrets(connection: Connection, owner: str, now: float) -> list[str]:
    row = connection.execute(select(webhook_secrets).where(webhook_secrets.c.owner == owner)).one_or_none()
    if row is None:
        new = _new_secret()
        connection.execute(insert(webhook_secrets).values(owner=owner, secret=new))
        return [new]
    if row.previous is not None and row.rotated_at > now - OVERLAP_S:
        return [row.secret, row.previous]
    return [row.secret]


def _new_secret() -> str:
    """Return 256 random bits as Standard Webhooks writes them."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
