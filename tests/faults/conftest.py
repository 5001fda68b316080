"""The fault drill: a real Ray with two replicas of everything, and a row of docs/reliability.md a test.

`scripts/bench faults` writes what was seen into the document; a plain run only asserts the promises.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import ray
from ray.util import list_named_actors

from serve import local_cluster
from serve.config import ServiceConfig

from ..integration.conftest import simulated_config

BODY_TIMEOUT_S = 1.0


def drilled_config(replicas: int = 2) -> ServiceConfig:
    """Small queues, so that an overload takes few requests, and little patience for slow bodies."""
    data = simulated_config().model_dump()
    for kind in ("character", "background"):
        data[kind]["replicas"] |= {
            "num_replicas": replicas,
            "max_ongoing_requests": 2,
            "max_queued_requests": 4,
        }
    data["merger"]["num_replicas"] = data["ingress"]["num_replicas"] = replicas
    data["limits"]["body_timeout_s"] = BODY_TIMEOUT_S
    return ServiceConfig.model_validate(data)


@pytest.fixture(scope="package")
def url() -> Iterator[str]:
    with local_cluster.running(drilled_config(), "127.0.0.1", local_cluster.free_port()) as address:
        yield address


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    """Once it is at full strength, whatever the test before did to it."""
    with httpx.Client(base_url=url, timeout=90, trust_env=False) as client:
        until(lambda: full_strength() and client.get("/readyz").status_code == 200)
        yield client


class Row:
    """One row of the table: the fault, what is promised, and what was seen."""

    def __init__(self, record_property: Callable[[str, object], None]) -> None:
        self._record = record_property

    def promises(self, fault: str, promise: str) -> None:
        self._record("fault", fault)
        self._record("promise", promise)

    def saw(self, seen: str) -> None:
        self._record("seen", seen)


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    return Row(record_property)


def scene(steps: int = 2, **more: Any) -> dict[str, Any]:
    layers = {kind: {"prompt": "x", "num_inference_steps": steps} for kind in ("character", "background")}
    return {**layers, "seed": 42, "merge": {"width": 256, "height": 128}, **more}


def asked(http: httpx.Client, pool: ThreadPoolExecutor, **request: Any) -> Future[httpx.Response]:
    return pool.submit(http.post, "/v1/scenes", json=scene(**request))


def replicas(deployment: str) -> list[str]:
    """The names of its replicas' actors."""
    actors = list_named_actors(all_namespaces=True)
    return [actor["name"] for actor in actors if f"#{deployment}#" in actor["name"]]


def ongoing(name: str) -> int:
    return int(ray.get(actor(name).get_num_ongoing_requests.remote(), timeout=30))


def actor(name: str) -> Any:
    return ray.get_actor(name, namespace="serve")


def full_strength(count: int = 2) -> bool:
    """By the actors that live, and by Serve: it takes seconds to see that one has died."""
    from ray import serve

    deployments = serve.status().applications["scenewright"].deployments
    return all(
        {str(getattr(state, "value", state)): n for state, n in told.replica_states.items()}
        == {"RUNNING": len(replicas(name))}
        == {"RUNNING": count}
        for name, told in deployments.items()
    )


def until(condition: Callable[[], Any], timeout_s: float = 90) -> Any:
    """What `condition` gives, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return value
