"""The fault drill: a real Ray with two replicas of everything; each test is a row of docs/reliability.md.

`scripts/bench faults` writes the outcomes into the document; a plain run only asserts the promises.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from tests.support.drilled_service import (
    BODY_TIMEOUT_S,
    LEASE_S,
    WEDGED_AFTER_S,
    full_strength,
)
from tests.support.polling import until
from tests.support.running_service import simulated_config


@pytest.fixture(scope="package")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    """Configure small queues, so that few requests overload the service, and short timeouts."""
    data = simulated_config().model_dump()
    for kind in ("character", "background"):
        data[kind]["replicas"] |= {"num_replicas": 2, "max_ongoing_requests": 2, "max_queued_requests": 4}
        data[kind]["generator"]["generation"]["wedged_after_s"] = WEDGED_AFTER_S
    data["merger"]["num_replicas"] = data["ingress"]["num_replicas"] = 2
    data["limits"]["body_timeout_s"] = BODY_TIMEOUT_S
    data["jobs"]["lease_s"] = LEASE_S
    data["authentication"] = "off"
    data["state_dir"] = str(tmp_path_factory.mktemp("state"))
    return ServiceConfig.model_validate(data)


@pytest.fixture(scope="package")
def url(drilled: ServiceConfig) -> Iterator[str]:
    with local_cluster.running(drilled, "127.0.0.1", free_port()) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """Yield a client once all replicas run, whatever the previous test did to them."""
    with httpx.Client(base_url=url, timeout=90, trust_env=False) as client:
        until(lambda: full_strength() and client.get("/readyz").status_code == 200)
        yield client
