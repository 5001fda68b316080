"""Secrets that all replicas of a service share, such as the one that signs links. Each is made once."""

from __future__ import annotations

import secrets

from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError

from .database import reading
from .tables import shared_secrets


def shared_secret(engine: Engine, name: str) -> bytes:
    """Return the secret of this name, made at the first call by any replica. Raises SQLAlchemyError."""
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
