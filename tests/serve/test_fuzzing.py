"""schemathesis sends what /openapi.json allows and what it forbids, and applies all its checks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from tests.support.local_service import REPOSITORY, with_worker

SLOWEST_S = 2
LIMITS = {"max_image_size": 128, "max_steps": 8}
DEFAULTS = {"num_inference_steps": 4, "guidance_scale": 6.0, "width": 96, "height": 128}
"""Small enough that a valid scene takes milliseconds here."""
OF_MANY_PARTS = (
    "POST /v1/scenes",
    "POST /v1/jobs",
    "POST /v1/stories",
    "POST /v1/images/generations",
    "POST /v1/images/edits",
)


@dataclass(frozen=True)
class Service:
    url: str
    key: str

    def requested(self, *options: str) -> str:
        """Run schemathesis; return its output, or fail with it if it finds anything."""
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/serve/schemathesis.toml"]
        command += ["run", f"{self.url}/openapi.json", "--checks", "all", "--no-color"]
        environment = os.environ | {"SCENEWRIGHT_KEY": self.key, "NO_PROXY": "*"}
        done = subprocess.run(
            [*command, "--max-response-time", str(SLOWEST_S), *options],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def operations(self) -> int:
        paths = httpx.get(f"{self.url}/openapi.json", trust_env=False).json()["paths"]
        return sum(len(operations) for operations in paths.values())


@pytest.fixture(scope="module")
def service(
    config: ServiceConfig, graph: Graph, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Start a service that requires keys and paints small pictures."""
    state_dir = tmp_path_factory.mktemp("state")
    data = config.model_dump() | {"state_dir": str(state_dir), "authentication": "required"}
    data["limits"] |= LIMITS
    for kind in ("character", "background"):
        data[kind]["defaults"] = DEFAULTS
    _, key = open_keys(state_dir).create("fuzzing", ("generate", "jobs"))
    with with_worker(ServiceConfig.model_validate(data), graph) as url:
        yield Service(url, key)


def test_requests_made_up_and_in_sequence(service: Service) -> None:
    said = service.requested("--phases", "fuzzing,stateful", "--max-examples", "5")
    assert f"Tested: {service.operations()}" in said


def test_the_edges_of_every_parameter(service: Service) -> None:
    """Wrong methods, missing headers, values just inside and outside; long bodies only in the slow test."""
    chosen = [word for name in OF_MANY_PARTS for word in ("--exclude-name", name)]
    said = service.requested("--phases", "coverage", *chosen)
    assert f"Tested: {service.operations() - len(OF_MANY_PARTS)}" in said


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_all_of_it_at_length(service: Service) -> None:
    said = service.requested("--max-examples", "60")
    assert f"Tested: {service.operations()}" in said
