"""The real Prometheus, started as docs/cluster.md says, finds the service and stores its metrics."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from serve.runtime.listen_address import free_port
from tests.support.polling import until
from tests.support.prometheus import program
from tests.support.running_service import SCENE

MONITORING = Path(__file__).parents[3] / "monitoring"
DOCUMENTED = "127.0.0.1:9464"


@pytest.fixture
def prometheus(metrics_port: int, tmp_path: Path) -> Iterator[httpx.Client]:
    """Start Prometheus with the shipped file, this service's port and a shorter scrape interval."""
    text = (MONITORING / "prometheus.yaml").read_text()
    assert text.count(DOCUMENTED) == 1
    settings = yaml.safe_load(text.replace(DOCUMENTED, f"127.0.0.1:{metrics_port}"))
    settings["global"]["scrape_interval"] = "1s"
    settings["rule_files"] = [str(MONITORING / "alerts.yaml")]
    file = tmp_path / "prometheus.yaml"
    file.write_text(yaml.safe_dump(settings))
    address = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={file}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    process = subprocess.Popen(
        [program("prometheus"), *options, f"--web.listen-address={address}"], stderr=subprocess.DEVNULL
    )
    with httpx.Client(base_url=f"http://{address}", trust_env=False) as client:
        yield client
    process.terminate()
    process.wait(30)


def test_it_stores_the_layers_that_were_painted(http: httpx.Client, prometheus: httpx.Client) -> None:
    assert http.post("/v1/scenes", json=SCENE).status_code == 200

    def stored() -> bool:
        try:
            query = {"query": 'sum by (job) (ray_scenewright_layers_total{outcome="painted"})'}
            response = prometheus.get("/api/v1/query", params=query)
        except httpx.TransportError:  # It is starting.
            return False
        if response.status_code == 503:  # It is reading its files.
            return False
        assert response.status_code == 200, response.text
        found = response.json()["data"]["result"]
        return [each["metric"] for each in found] == [{"job": "scenewright"}]

    until(stored)
    targets = prometheus.get("/api/v1/targets").json()["data"]["activeTargets"]
    assert [(each["labels"]["job"], each["health"]) for each in targets] == [("scenewright", "up")]
