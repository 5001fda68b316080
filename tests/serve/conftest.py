"""The graph in Serve's local testing mode: real composition and real HTTP semantics, no cluster, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from deployments.errors import CutoutFailed
from deployments.merger import Merger
from deployments.messages import LayerResult, MergeJob, MergeResult, OutputOptions, Picture
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http import http_telemetry
from serve.ingress import build_http
from serve.jobs import worker
from serve.telemetry import observed_replicas
from serve.telemetry.metrics import Metric
from tests.support.local_service import config as config
from tests.support.local_service import graph as graph
from tests.support.local_service import (
    local_handle,
    served,
)
from tests.support.local_service import url_with_worker as url_with_worker
from tests.support.migrated import already_migrated as already_migrated
from tests.support.migrated import migrated as migrated
from tests.support.noted import Noted
from tests.support.shared_adapters import shared_adapters as shared_adapters
from tests.support.stub_service import server as server


class ParticularMerger(Merger):
    """A merger that refuses every cut-out."""

    async def merge(self, job: MergeJob, character: LayerResult, background: LayerResult) -> MergeResult:
        raise CutoutFailed("the character could not be cut out", "merge.mode")

    async def cut_out(self, output: OutputOptions, layer: LayerResult, tenant: str = "") -> Picture:
        raise CutoutFailed("the character could not be cut out", "cutout")


@pytest.fixture(scope="session")
def particular(graph: Graph) -> Graph:
    """Return a graph whose scenes fail at the very end."""
    return replace(graph, merger=local_handle(ParticularMerger))


@pytest.fixture
def client(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    """Return a client of the application in this process; an unhandled error fails the test."""
    transport = httpx.ASGITransport(served(build_http(config, graph)), raise_app_exceptions=True)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def client_with(config: ServiceConfig, graph: Graph) -> Callable[..., httpx.AsyncClient]:
    """`client_with(limits={"max_image_size": 512})`: a client of the same graph with other settings."""

    def make(**changes: dict[str, object]) -> httpx.AsyncClient:
        data = config.model_dump()
        for name, change in changes.items():
            data[name] |= change
        transport = httpx.ASGITransport(served(build_http(ServiceConfig.model_validate(data), graph)))
        return httpx.AsyncClient(transport=transport, base_url="http://localhost")

    return make


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    made: list[Noted] = []

    def make(allowed: tuple[Metric, ...], model: str = "") -> Noted:
        made.append(Noted(allowed, model))
        return made[-1]

    for module in (http_telemetry, observed_replicas, worker):
        monkeypatch.setattr(module, "Recorder", make)
    return made
