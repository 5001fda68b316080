from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from serve.state import job_tables, picture_tables, tenant_tables  # noqa: F401 (they fill metadata)
from serve.state.database import NewerDatabase, metadata, open_database


def test_the_migrations_make_what_the_tables_describe(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_commit_in_sqlite_is_on_the_disk(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_replicas_that_start_at_once_migrate_it_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'jobs.sqlite'}"
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(open_database, [url] * 4))
    for engine in engines:
        with engine.connect() as connection:
            versions = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
        assert versions == ["0015"]
        engine.dispose()


def test_threads_of_a_process_migrate_two_databases_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alembic would confuse two migrations at once."""
    upgrade, under_way, most = command.upgrade, list[str](), list[int]()

    def slow(config: Config, revision: str) -> None:
        under_way.append(revision)
        most.append(len(under_way))
        time.sleep(0.01)
        upgrade(config, revision)
        under_way.pop()

    monkeypatch.setattr(command, "upgrade", slow)
    with ThreadPoolExecutor(4) as pool:
        for engine in pool.map(open_database, [f"sqlite:///{tmp_path / str(n)}.sqlite" for n in range(4)]):
            engine.dispose()
    assert most == [1] * 4


def test_opened_twice_it_still_keeps_its_log_from_a_process_that_ends(tmp_path: Path) -> None:
    """SQLite's last user removes the log; a command beside a service must not be the last."""
    file = tmp_path / "jobs.sqlite"
    url = f"sqlite:///{file}"
    log = file.with_name("jobs.sqlite-wal")
    first, second = open_database(url), open_database(url)
    inode = log.stat().st_ino
    command = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM jobs')"
    subprocess.run([sys.executable, "-c", command, file], check=True, timeout=60)
    assert log.exists() and log.stat().st_ino == inode
    first.dispose()
    second.dispose()


def test_it_waits_for_the_holder_of_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with ThreadPoolExecutor(1) as pool:
        opening = pool.submit(open_database, f"sqlite:///{path}")
        with pytest.raises(TimeoutError):
            opening.result(0.3)
        holder.execute("COMMIT")
        opening.result(30).dispose()
    holder.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        open_database(f"sqlite:///{tmp_path / 'file' / 'jobs.sqlite'}")


def test_a_database_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.sqlite'}"
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(NewerDatabase, match=r"restore the backup.*docs/upgrading\.md"):
        open_database(url)
