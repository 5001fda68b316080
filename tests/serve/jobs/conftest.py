"""An empty database a test: SQLite, and PostgreSQL where its programs are installed; and an empty bucket."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem
from sqlalchemy import Engine, delete

from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from serve.jobs.store import JobStore
from serve.state.database import open_database
from serve.state.tables import (
    jobs,
    keys,
    loose_pictures,
    picture_holds,
    pictures,
    scenes,
    tenants,
)

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path_factory.mktemp('jobs') / 'jobs.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    """A private server of its own on a socket; it will not run as root."""
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
        connection.execute(delete(picture_holds))
        connection.execute(delete(pictures))
        connection.execute(delete(scenes))
        connection.execute(delete(jobs))
        connection.execute(delete(keys))
        connection.execute(delete(tenants))


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_s=10, max_attempts=3, max_losses=4)


@pytest.fixture
def new() -> Callable[[int], list[NewScene]]:
    return lambda count: [NewScene(f'{{"scene": {number}}}', 60.0) for number in range(count)]


@contextmanager
def serving_s3() -> Iterator[str]:
    """The address of a server whose buckets lie in this process: all such servers have the same."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
        server._server.server_close()


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    with serving_s3() as address:
        yield address


@pytest.fixture
def bucket(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The only one there is, and empty; the environment says where, with one try for each request."""
    settings = {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    httpx.post(f"{s3}/moto-api/reset").raise_for_status()
    S3FileSystem.clear_instance_cache()
    S3FileSystem().mkdir("scenes")
    S3FileSystem.clear_instance_cache()
    yield "scenes"
    S3FileSystem.clear_instance_cache()
