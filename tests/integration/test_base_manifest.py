"""Ray's own `serve run` with the configuration of kubernetes/base: a request without a key gets 401."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

from serve.commands.keys import keys
from serve.runtime.listen_address import free_port
from serve.runtime.private_ray import PATIENT
from tests.support.polling import until

REPOSITORY = Path(__file__).parents[2]
MANIFEST = REPOSITORY / "kubernetes/base/rayservice.yaml"
SERVE_RUN = """
import sys, ray
from ray.serve.scripts import cli
from serve.runtime.private_ray import patient_for_the_node
room = {"num_cpus": 8, "_memory": 16_000_000_000, "object_store_memory": 200_000_000}
with patient_for_the_node():
    ray.init(address="local", namespace="serve", include_dashboard=False, log_to_driver=False, **room)
cli(["run", sys.argv[1]])
"""
"""`serve run` alone would start a Ray with as many CPUs as this machine has, not as the pods have."""


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def url(state_dir: Path) -> Iterator[str]:
    port = free_port()
    written = yaml.safe_load(MANIFEST.read_text())["spec"]["serveConfigV2"]
    assert "\n  port: 8000\n" in written
    folder = tempfile.mkdtemp(prefix="swb-", dir="/tmp")  # The path is short because it holds sockets.
    file, log = Path(folder, "serve.yaml"), Path(folder, "log")
    file.write_text(written.replace("\n  port: 8000\n", f"\n  port: {port}\n"))
    given = {"RAY_TMPDIR": folder, "SCENEWRIGHT_STATE_DIR": str(state_dir), "RAY_USAGE_STATS_ENABLED": "0"}
    inherited = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    environment = inherited | PATIENT | given
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-c", SERVE_RUN, str(file)],
            cwd=REPOSITORY,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        assert until(lambda: running.poll() is not None or responses(address), 200), log.read_text()
        assert running.poll() is None, log.read_text()
        yield address
    finally:
        if running.poll() is None:
            running.send_signal(signal.SIGINT)
        running.wait(90)
        shutil.rmtree(folder, ignore_errors=True)


def responses(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.timeout(300)
def test_a_stranger_gets_401_and_a_key_s_holder_does_not(url: str, state_dir: Path) -> None:
    """Send from loopback, as all requests behind a sidecar seem to be, also with a proxy's header."""
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
        for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"Authorization": "Bearer sw_00000000_x"}):
            for method, path in (("GET", "/v1/models"), ("POST", "/v1/scenes"), ("GET", "/v1/jobs")):
                assert http.request(method, path, headers=headers).status_code == 401
        made = CliRunner().invoke(keys, ["--state-dir", str(state_dir), "create", "me"])
        held = {"Authorization": f"Bearer {made.output.split()[0]}"}
        assert until(lambda: http.get("/v1/models", headers=held).status_code == 200)
