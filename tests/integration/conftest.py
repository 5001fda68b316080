"""A real Ray, a real deployment and a real port for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster

REPOSITORY = Path(__file__).parents[2]
STEP_S = 0.05


def simulated_config(step_s: float = STEP_S) -> ServiceConfig:
    arguments = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]
    for kind in ("character", "background"):
        arguments[kind]["generator"]["simulated"]["step_s"] = step_s
        # The same scene is asked for again and again, and must be painted each time.
        arguments[kind]["generator"]["generation"] = {"result_cache_bytes": 0}
    return ServiceConfig.model_validate(arguments)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with local_cluster.running(simulated_config(), "127.0.0.1", local_cluster.free_port()) as address:
        yield address


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client
