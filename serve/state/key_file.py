"""The keys of earlier versions: a file of the state folder, taken into the database once.

There a key and its tenant were one. So each becomes a tenant that is called by the key's id, which its jobs
were kept under, and sees what it saw and no more.
"""

from __future__ import annotations

import fcntl
import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import TypeAdapter
from sqlalchemy import Engine, insert, select

from ..config.access import Scope
from .tenant_tables import keys, tenants

FILE = "keys.json"
TAKEN = "keys.json.taken"


@dataclass(frozen=True)
class FileKey:
    """A key as it was in the file."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    id: str
    name: str
    sha256: str
    scopes: tuple[Scope, ...]
    created_at: float
    revoked_at: float | None = None
    rate: float | None = None
    burst: float | None = None
    concurrent: int | None = None


FILE_KEYS = TypeAdapter(tuple[FileKey, ...])


def import_keys(engine: Engine, state_folder: Path) -> int:
    """Take the file's keys into the database, and set the file aside. Return how many were new.

    Raises OSError, SQLAlchemyError, and ValueError where the file is not one of keys.
    """
    file = state_folder / FILE
    if not file.exists():
        return 0
    with _alone(state_folder):
        try:
            found = FILE_KEYS.validate_json(file.read_bytes().removeprefix(BOM_UTF8))
        except FileNotFoundError:
            return 0  # Another process has taken it in meanwhile.
        with engine.begin() as connection:
            known = set(connection.execute(select(keys.c.id)).scalars())
            new = [key for key in found if key.id not in known]
            called = set(connection.execute(select(tenants.c.name)).scalars())
            for key in new:
                limits = {"rate": key.rate, "burst": key.burst, "concurrent": key.concurrent}
                if key.id not in called:
                    tenant = {"name": key.id, "created_at": key.created_at}
                    connection.execute(insert(tenants).values(**tenant, **limits))
                kept = {"id": key.id, "tenant": key.id, "name": key.name, "sha256": key.sha256}
                times = {"created_at": key.created_at, "revoked_at": key.revoked_at}
                connection.execute(insert(keys).values(scopes=" ".join(key.scopes), **kept, **times))
        file.chmod(0o600)
        file.replace(state_folder / TAKEN)
    return len(new)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
