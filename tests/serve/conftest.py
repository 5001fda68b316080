"""The graph in Serve's local testing mode: real composition and real HTTP semantics, no cluster, no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from ray import serve as ray_serve
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import ASGIApp

from deployments.background import Background
from deployments.character import Character
from deployments.merger import Merger
from serve import observed_edge, observed_generators
from serve.config import ServiceConfig
from serve.ingress import build_http
from serve.metrics import Metric
from serve.scene import Graph

from .noted import Noted

REPOSITORY = Path(__file__).parents[2]
SIMULATED = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]


def simulated_config(step_s: float = 0.001) -> ServiceConfig:
    config = ServiceConfig.model_validate(SIMULATED)
    for kind in ("character", "background"):
        data = config.model_dump()
        data[kind]["generator"]["simulated"] |= {"step_s": step_s, "encode_s": 0.0, "decode_s": 0.0}
        config = ServiceConfig.model_validate(data)
    return config


def local_handle(replica_class: Any, *arguments: object) -> Any:
    deployment: Any = ray_serve.deployment(replica_class, name=replica_class.__name__)
    application = deployment.bind(*arguments)
    return ray_serve.run(application, name=replica_class.__name__, _local_testing_mode=True)


@pytest.fixture(scope="session")
def config() -> ServiceConfig:
    return simulated_config()


@pytest.fixture(scope="session")
def graph(config: ServiceConfig) -> Graph:
    return Graph(
        local_handle(Character, config.character.generator),
        local_handle(Background, config.background.generator),
        local_handle(Merger),
    )


def served(app: ASGIApp) -> ASGIApp:
    """Behind the layer that Serve puts around every application, where answers get their X-Request-ID."""
    return RequestIdMiddleware(app)


@pytest.fixture
def client(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    """Asks the application in this process; an error that escapes it fails the test."""
    transport = httpx.ASGITransport(served(build_http(config, graph)), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://scenewright")


@pytest.fixture
def client_with(config: ServiceConfig, graph: Graph) -> Callable[..., httpx.AsyncClient]:
    """The same graph behind other settings: `client_with(limits={"max_image_size": 512})`."""

    def make(**changes: dict[str, object]) -> httpx.AsyncClient:
        data = config.model_dump()
        for name, change in changes.items():
            data[name] |= change
        transport = httpx.ASGITransport(served(build_http(ServiceConfig.model_validate(data), graph)))
        return httpx.AsyncClient(transport=transport, base_url="http://scenewright")

    return make


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    made: list[Noted] = []

    def make(allowed: tuple[Metric, ...]) -> Noted:
        made.append(Noted(allowed))
        return made[-1]

    for module in (observed_edge, observed_generators):
        monkeypatch.setattr(module, "Recorder", make)
    return made
