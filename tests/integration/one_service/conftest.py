"""One real Ray and one service for all modules of this folder, since a start takes 20 seconds."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.runtime import local_cluster
from serve.runtime.listen_address import free_port
from serve.telemetry.tracing import TracingConfig
from tests.support.otlp_collector import Collector, collector_running
from tests.support.running_service import AUTOSCALED, ONE_STEP_S, simulated_config

ENVIRONMENT = {
    "RAY_metrics_report_interval_ms": "500",
    # A user's shell may set it: if the service heeded it, Ray's ports would need no token.
    "RAY_AUTH_MODE": "disabled",
    # A proxy that does not run: only gRPC reads this variable, before `http_proxy`.
    "grpc_proxy": "http://127.0.0.1:9",
}


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    with collector_running() as collector:
        yield collector


@pytest.fixture(scope="package")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="package")
def configured(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> ServiceConfig:
    data = simulated_config(ONE_STEP_S).model_dump()
    for kind in ("character", "background"):
        data[kind]["replicas"] |= {"num_replicas": None, "autoscaling": AUTOSCALED}
        data[kind]["defaults"]["num_inference_steps"] = 5
    data["state_dir"] = str(tmp_path_factory.mktemp("state"))
    data["webhooks"] = {"allowed_hosts": ["127.0.0.1"], "private_network": True}
    config = ServiceConfig.model_validate(data)
    return config.model_copy(update={"tracing": TracingConfig(collector.url)})


@pytest.fixture(scope="package")
def url(configured: ServiceConfig, metrics_port: int) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in ENVIRONMENT.items():
            environment.setenv(name, value)
        port = free_port()
        with local_cluster.running(configured, "127.0.0.1", port, metrics_port=metrics_port) as address:
            yield address


@pytest.fixture(scope="package")
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, timeout=100, trust_env=False) as client:
        yield client
