"""Open empty databases: SQLite, and PostgreSQL if its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete

from serve.state.database import open_database
from serve.state.job_tables import jobs, scenes, webhook_deliveries
from serve.state.picture_tables import (
    cast_members,
    loose_pictures,
    picture_holds,
    pictures,
    repeated_requests,
    results,
)
from serve.state.tenant_tables import keys, quotas, tenants, tokens, usage

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('jobs') / 'jobs.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    """Run a private PostgreSQL server on a socket, as another user if this is root, since it refuses root."""
    if not POSTGRES:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    shutil.chown(folder, user)

    def run(program: str, *arguments: str) -> None:
        command = [str(POSTGRES[-1] / program), *arguments]
        if os.geteuid() == 0:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)

    run("initdb", "-D", f"{folder}/data", "-U", "test", "-A", "trust", "--no-sync")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", f"{folder}/data", "-o", settings, "-l", f"{folder}/log", "-w", "-t", "100", "start")
    try:
        engine = open_database(f"postgresql+psycopg://test@/postgres?host={folder}")
        yield engine
        engine.dispose()
    finally:
        run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    clear(engine)
    return engine


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(loose_pictures))
        connection.execute(delete(cast_members))
        connection.execute(delete(picture_holds))
        connection.execute(delete(pictures))
        connection.execute(delete(tokens))
        connection.execute(delete(results))
        connection.execute(delete(repeated_requests))
        connection.execute(delete(webhook_deliveries))
        connection.execute(delete(scenes))
        connection.execute(delete(jobs))
        connection.execute(delete(keys))
        connection.execute(delete(quotas))
        connection.execute(delete(tenants))
        connection.execute(delete(usage))
