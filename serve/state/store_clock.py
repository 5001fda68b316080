"""The time for jobs: by the clock of the database, which all who share it agree on."""

from __future__ import annotations

import time

from sqlalchemy import Connection, text


def now_of(connection: Connection, given: float | None = None) -> float:
    """Return the seconds since 1970 by the database's clock; those that were `given`, where they were.

    PostgreSQL has a clock of its own, and its callers' may differ by minutes. A SQLite file is this
    machine's, and so is its clock.
    """
    if given is not None:
        return given
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
