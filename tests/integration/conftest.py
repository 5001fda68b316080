"""A real Ray, a real deployment and a real port for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from tests.support.running_service import simulated_config


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_cluster.running(simulated_config(), "127.0.0.1", free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client
