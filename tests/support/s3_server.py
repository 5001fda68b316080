"""Serve S3 in this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite


@contextmanager
def serving_s3() -> Iterator[str]:
    """Yield the address of a server; all such servers share the buckets of this process."""
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
    """Make one empty bucket, the only one; the environment has its address and allows one try per request."""
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
