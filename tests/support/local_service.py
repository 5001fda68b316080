"""Serve the graph in Serve's local testing mode: real composition and real HTTP, no cluster, no torch."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import yaml
from ray import serve as ray_serve
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from deployments.background import Background
from deployments.character import Character
from deployments.merger import Merger
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.jobs.worker import JobWorker
from serve.telemetry.logs import logger
from tests.support.quick_server import QuickServer
from tests.support.stub_service import server as server

REPOSITORY = Path(__file__).parents[2]


SIMULATED = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())["applications"][0]["args"]


def simulated_config(step_s: float = 0.001) -> ServiceConfig:
    config = ServiceConfig.model_validate({**SIMULATED, "authentication": "off"})
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
def config(tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    state_dir = tmp_path_factory.mktemp("state")
    return simulated_config().model_copy(update={"state_dir": str(state_dir)})


def local_graph(
    config: ServiceConfig,
    character: type[Character] = Character,
    background: type[Background] = Background,
) -> Graph:
    generators = {
        name: local_handle(character if name.startswith("character") else background, model.generator)
        for name, model in config.generators.items()
    }
    first = generators.pop("character"), generators.pop("background")
    return Graph(*first, local_handle(Merger), others=generators)


@pytest.fixture(scope="session")
def graph(config: ServiceConfig) -> Graph:
    return local_graph(config)


@contextmanager
def captured(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let `caplog` capture Serve's log records, which do not reach the root logger's handlers."""
    logger.addHandler(caplog.handler)
    try:
        yield
    finally:
        logger.removeHandler(caplog.handler)


def served(app: ASGIApp) -> ASGIApp:
    """Wrap `app` in the layer that Serve puts around every application, which adds the X-Request-ID."""
    return RequestIdMiddleware(app)


def mounted(app: ASGIApp, prefix: str) -> ASGIApp:
    """Mount `app` as Serve does under a `route_prefix`: the path keeps the prefix, and `root_path` is it."""

    async def below(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "root_path": prefix}, receive, send)

    return below


@contextmanager
def listening(app: ASGIApp, root_path: str = "", **options: Any) -> Iterator[str]:
    """Serve the application on a real port of this machine, for clients with their own HTTP stack."""
    config = uvicorn.Config(
        app, "127.0.0.1", 0, log_level="error", lifespan="off", root_path=root_path, **options
    )
    server = QuickServer(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            while not server.started and thread.is_alive():
                thread.join(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def with_worker(config: ServiceConfig, graph: Graph, route_prefix: str = "") -> Iterator[str]:
    """Serve the whole edge on a real port, and run a worker for its jobs."""
    config = config.model_copy(update={"jobs": replace(config.jobs, poll_s=0.02)})
    stopping = threading.Event()

    async def run_jobs() -> None:
        worker = JobWorker(config, graph.character, graph.background, graph.merger, others=graph.others)
        while not stopping.is_set():
            await asyncio.sleep(0.02)
        await worker.stop()

    thread = threading.Thread(target=asyncio.run, args=(run_jobs(),))
    thread.start()
    try:
        app = served(build_http(config, graph))
        with listening(mounted(app, route_prefix) if route_prefix else app) as address:
            yield address
    finally:
        stopping.set()
        thread.join()


@contextmanager
def service(config: ServiceConfig, character: type[Character], background: type[Background]) -> Iterator[str]:
    """Yield the address of the whole graph, painted by these two classes."""
    graph = local_graph(config, character, background)
    with listening(served(build_http(config, graph))) as address:
        yield address


@pytest.fixture(scope="module")
def url_with_worker(
    config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Serve with a worker of this module only: tests of the worker break state that all workers share."""
    state_dir = tmp_path_factory.mktemp("state")
    with with_worker(config.model_copy(update={"state_dir": str(state_dir)}), graph) as url:
        yield url
