"""Open the database of jobs: SQLite set up so that commits survive a power cut, PostgreSQL unchanged.

Jobs use the time of the database's clock, the same for all that share it.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, make_url, text

from .private_files import make_file, make_folder, shut

metadata = MetaData()
"""Every table, once job_tables.py, picture_tables.py and tenant_tables.py have been imported."""
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_MS = 30_000
MIGRATION_LOCK = 7_261_965
"""An arbitrary number: the PostgreSQL advisory lock that replicas starting at once take in turn."""

MIGRATING = threading.Lock()
"""Guard Alembic, which keeps its state in globals. It is taken last: its holder waits for no database."""


class NewerDatabase(ValueError):
    """The database was migrated by a newer version of this software."""

    def __init__(self) -> None:
        super().__init__(
            "the database was migrated by a newer version: install that version again, or restore the backup"
            " from before the upgrade (docs/upgrading.md)"
        )


def open_database(url: str) -> Engine:
    """Connect to the database, and migrate it.

    Raises SQLAlchemyError, NewerDatabase, and OSError if SQLite's folder cannot be made.
    """
    parsed = make_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    if sqlite and parsed.database and not parsed.database.startswith((":memory:", "file:")):
        file = Path(parsed.database)
        make_folder(file.parent)
        make_file(file)  # SQLite gives the files beside it the same mode.
        for suffix in ("-wal", "-shm"):
            shut(file.with_name(file.name + suffix))
    engine = create_engine(parsed, pool_pre_ping=not sqlite)
    if sqlite:
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    with engine.begin() as connection:
        if not sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": MIGRATION_LOCK})
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            with MIGRATING:
                command.upgrade(config, "head")
        except CommandError as error:  # Its revision is unknown here.
            raise NewerDatabase from error
    return engine


def reading(engine: Engine) -> AbstractContextManager[Connection]:
    """Open a connection for queries only: it waits for no writer, and no writer waits for it."""
    return engine.connect().execution_options(scenewright_reads=True)


def _prepare(connection: Any, record: Any) -> None:
    # The driver would begin transactions by itself, and late: at the first write, when a read may be stale.
    connection.isolation_level = None
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    _keep_a_log_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _keep_a_log_ahead(connection: Any) -> None:
    """Switch SQLite to its write-ahead log.

    Raises sqlite3.OperationalError if another connection holds the file for longer than the timeout.
    """
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1e3
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:  # The one statement for which SQLite does not wait by itself.
            if time.monotonic() > until:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("scenewright_reads")
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def now_of(connection: Connection, given: float | None = None) -> float:
    """Return the seconds since 1970 by the database's clock, or `given` if that is not None.

    PostgreSQL has its own clock, and those of its clients may differ by minutes. A SQLite file is local, so
    this machine's clock is used.
    """
    if given is not None:
        return given
    if connection.dialect.name != "postgresql":
        return time.time()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
