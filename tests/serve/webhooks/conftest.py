"""Jobs in an empty database per test, and a receiver."""

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
from tests.support.webhook_receiver import receiver as receiver


@pytest.fixture
def store(engine: Engine) -> JobStore:
    return JobStore(engine)


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine, lease_s=10, max_attempts=3, max_losses=4)


@pytest.fixture
def new() -> Callable[[int], list[NewScene]]:
    return lambda count: [NewScene(f'{{"scene": {number}}}', 60.0) for number in range(count)]
