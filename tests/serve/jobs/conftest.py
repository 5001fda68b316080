"""An empty database per test: SQLite, and PostgreSQL if its programs are installed; and an empty bucket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from serve.jobs.job_store import JobStore
from serve.jobs.leases import Leases
from serve.jobs.states import NewScene
from tests.support.databases import engine as engine
from tests.support.databases import postgres as postgres
from tests.support.databases import sqlite as sqlite
from tests.support.s3_server import bucket as bucket
from tests.support.s3_server import s3 as s3


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_s=10, max_attempts=3, max_losses=4)


@pytest.fixture
def new() -> Callable[[int], list[NewScene]]:
    return lambda count: [NewScene(f'{{"scene": {number}}}', 60.0) for number in range(count)]
