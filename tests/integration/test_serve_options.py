"""`scenewright serve` with a Serve file of many settings: a real Ray, TLS, a path, IPv6, overrides."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from ray.serve.schema import HTTPOptionsSchema

from scenewright import Scenewright
from scenewright.responses import Progress
from serve.runtime import tls
from serve.runtime.listen_address import free_port
from tests.support.certificates import make_pair
from tests.support.otlp_collector import Collector, collector_running
from tests.support.polling import until

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collector_running() as collector:
        yield collector


@pytest.mark.timeout(300)
def test_a_file_with_many_settings_is_served_by_them(tmp_path: Path, collector: Collector) -> None:
    """Test all settings with one start, since a start takes 15 seconds."""
    pair = make_pair(tmp_path, password="open", name="::1")
    logs = tmp_path / "logs"
    content = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())
    content["http_options"] = {
        "host": "127.0.0.1",
        "port": 1,
        "ssl_keyfile": str(pair.key),
        "ssl_certfile": str(pair.certificate),
        "ssl_keyfile_password": "open",
        "keep_alive_timeout_s": 1,
        "request_timeout_s": 10,
    }
    content["logging_config"] = {"logs_dir": str(logs), "log_level": "DEBUG"}
    application = content["applications"][0]
    application |= {
        "name": "painter",
        "route_prefix": "/paint",
        "runtime_env": {"env_vars": {"DEFAULT_STEPS": "3"}},
        "deployments": [{"name": "Merger", "num_replicas": 2, "ray_actor_options": {"num_cpus": 0}}],
    }
    application["args"]["state_dir"] = str(tmp_path / "state")
    application["args"]["character"]["generator"]["simulated"] = {"step_s": 0.5}
    file, log = tmp_path / "serve.yaml", tmp_path / "log"
    file.write_text(yaml.safe_dump(content))
    exported = f"127.0.0.1:{free_port()}"
    command = ["scripts/serve", "--config", str(file), "--host", "[::1]", "--port", "0"]
    command += ["--metrics-port", exported.rpartition(":")[2]]
    environment = {name: value for name, value in os.environ.items() if name != "SCENEWRIGHT_STATE_DIR"}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url
    with log.open("wb") as written:
        service = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=written, stderr=subprocess.STDOUT, env=environment
        )
    try:
        assert until(lambda: service.poll() is not None or "ready in" in log.read_text(), 200), (
            log.read_text()
        )
        said = log.read_text()
        found = re.search(r"^ready in \S+ s at (https://\[::1\]:(\d+)/paint)$", said, re.MULTILINE)
        assert found, said
        assert f"keeping jobs, their pictures and keys in {tmp_path / 'state'}" in said
        url, port = found.group(1), int(found.group(2))

        trusted = HTTPOptionsSchema(ssl_keyfile=str(pair.key), ssl_certfile=str(pair.certificate))
        with httpx.Client(transport=tls.transport(trusted), base_url=url, timeout=60) as http:
            assert http.get("/readyz").json()["status"] == "ready"
            outside = http.get(f"https://[::1]:{port}/readyz")
            assert (outside.status_code, outside.json()["error"]["code"]) == (404, "not_found")
            routes = f"https://[::1]:{port}/-/routes"
            assert http.get(routes).json() == {"/paint": "painter"}
            rebound = http.get(routes, headers={"Host": "page.example"})
            assert (rebound.status_code, rebound.json()["error"]["code"]) == (400, "invalid_host")
            slow = {"prompt": "a knight", "num_inference_steps": 150}
            late = http.post("/v1/characters", json=slow, headers={"X-Request-ID": "late"})
            assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
            assert late.json()["error"]["request_id"] == late.headers["x-request-id"] == "late"
        with Scenewright(url, transport=tls.transport(trusted)) as client:
            events = client.scene_events("a knight", "a castle")
            steps = {event.steps for event in events if isinstance(event, Progress)}
            assert steps == {3}, "runtime_env"
        metrics = httpx.get(f"http://{exported}/metrics", trust_env=False, timeout=60)
        assert metrics.status_code == 200 and "ray_" in metrics.text
        assert until(lambda: "POST /v1/scenes" in {span.name for span in collector.received_spans()}, 60)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://[::1]:{port}/paint/healthz", trust_env=False)
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get(f"{url}/healthz", trust_env=False)
        with socket.socket() as ipv4, pytest.raises(OSError, match="refused"):
            ipv4.connect(("127.0.0.1", port))
        assert list(logs.glob("proxy_*")), "logging_config.logs_dir"
        mergers = [
            process
            for process in psutil.Process(service.pid).children(recursive=True)
            if "".join(process.cmdline()[:1]).startswith("ray::ServeReplica:painter:Merger")
        ]
        assert len(mergers) == 2, "deployments"
    finally:
        if service.poll() is None:
            service.send_signal(signal.SIGINT)
        code = service.wait(90)
    assert code == 0, log.read_text()
    assert log.read_text().endswith("stopped\n")
