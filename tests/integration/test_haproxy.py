"""HAProxy before the edge: callers see what they see without it, or docs/cluster.md states the difference."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml

from scenewright import Retries, Scenewright
from serve.runtime import haproxy
from serve.runtime.listen_address import free_port
from tests.support.exported_metrics import Series, empty_panels, samples, wait_for_series
from tests.support.polling import until
from tests.support.running_service import AUTOSCALED, EVENTS, REPOSITORY, events, replica, simulated_config

pytestmark = pytest.mark.timeout(360)

STEP_S = 0.1
SCENE_HEADERS = ("x-request-id", "x-seed", "x-merge", "x-backend", "server-timing")
FLAT_SEED = 135_393
"""A tall simulated sky of this seed is so even that it is rejected as a picture."""


@dataclass(frozen=True)
class Service:
    """The service under test; `haproxy` is the address of HAProxy's own metrics."""

    url: str
    process: subprocess.Popen[bytes]
    haproxy: str

    def processes(self, name: str = "") -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if not name or process.name() == name:
                    found.append(process)
        return found

    @property
    def metrics(self) -> str:
        """Return the address of Ray's metrics."""
        (raylet,) = self.processes("raylet")
        (flag,) = (word for word in raylet.cmdline() if word.startswith("--raylet_socket_name="))
        session = Path(flag.partition("=")[2]).parents[1]
        (file,) = session.glob("metrics_export_port_*")
        return f"127.0.0.1:{file.read_text().strip()}"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Start it from a file in a process of its own, with HAProxy's usual ports taken."""
    folder = tmp_path_factory.mktemp("haproxy")
    (folder / "serve.yaml").write_text(yaml.safe_dump(configuration(str(folder / "state"))))
    port, metrics = (free_port() for _ in range(2))
    environment = os.environ | {
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_metrics_report_interval_ms": "500",
    }
    command = ["-m", "serve.cli", "serve", "--config", str(folder / "serve.yaml"), "--port", str(port)]
    with ExitStack() as others:
        for usual, _ in haproxy.PORTS.values():
            with suppress(OSError):
                others.enter_context(socket.create_server(("127.0.0.1", usual)))
        process = subprocess.Popen([sys.executable, *command], cwd=REPOSITORY, env=environment)
        found = Service(f"http://127.0.0.1:{port}", process, f"127.0.0.1:{metrics}")
        try:
            until(lambda: ready(found), timeout_s=300)
            yield found
        finally:
            all_of_it = found.processes() if process.poll() is None else []
            process.terminate()
            try:
                process.wait(90)
            finally:
                for each in psutil.wait_procs(all_of_it, timeout=60)[1]:
                    each.kill()


def configuration(state_dir: str) -> dict[str, Any]:
    """Return a configuration with two edge replicas, small queues, and one attempt per picture."""
    data = simulated_config(STEP_S).model_dump(mode="json")
    for kind in ("character", "background"):
        data[kind]["replicas"] |= {"num_replicas": None, "autoscaling": AUTOSCALED}
        data[kind]["replicas"] |= {"max_ongoing_requests": 2, "max_queued_requests": 4}
        data[kind]["generator"]["generation"]["max_attempts"] = 1
    data["ingress"] |= {"num_replicas": 2, "haproxy": True}
    data["limits"]["body_timeout_s"] = 1.0
    data["state_dir"] = state_dir
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / "serve/simulated.yaml").read_text())
    content["applications"][0]["args"] = data
    return content


def ready(service: Service) -> bool:
    assert service.process.poll() is None, "the service ended during its start"
    try:
        response = httpx.get(f"{service.url}/readyz", trust_env=False, timeout=5)
    except httpx.TransportError:
        return False
    # Until HAProxy knows the edge, it answers by itself.
    return response.status_code == 200 and response.json()["status"] == "ready"


@pytest.fixture(scope="module")
def url(service: Service) -> str:
    return service.url


def scene(steps: int = 2, **more: Any) -> dict[str, Any]:
    layer = {"prompt": "x", "num_inference_steps": steps, "width": 64, "height": 64}
    return {"character": layer, "background": layer, "seed": 1, "merge": {"width": 128, "height": 64}, **more}


def code_of(response: httpx.Response) -> tuple[int, str]:
    """Return the status and code of an error in the documented shape."""
    error = response.json()["error"]
    assert error["request_id"] == response.headers["x-request-id"]
    return response.status_code, error["code"]


def test_it_is_haproxy_that_answers(service: Service, http: httpx.Client) -> None:
    assert service.processes("haproxy")
    assert {http.get(path).status_code for path in ("/healthz", "/readyz", "/", "/openapi.json")} == {200}


def test_a_long_header_is_refused_in_our_shape(http: httpx.Client) -> None:
    assert code_of(http.get("/healthz", headers={"x-a": "a" * 70_000})) == (431, "header_too_large")
    assert http.get("/healthz", headers={"x-a": "a" * 60_000}).status_code == 200


def test_its_own_ports_are_loopback_s(service: Service) -> None:
    listening = [
        (socket.laddr.ip, socket.laddr.port)
        for process in service.processes("haproxy")
        for socket in process.net_connections("inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert {address for address, _ in listening} == {"127.0.0.1"}
    assert len(set(listening)) == 3


def test_it_passes_the_requested_name_on(http: httpx.Client) -> None:
    """Other sites' names are refused, since no key is needed on loopback (serve/http/hosts.py)."""
    for host, status in (("localhost:8000", 200), ("page.example", 400)):
        assert http.get("/v1/models", headers={"Host": host}).status_code == status


def test_its_socket_is_for_nobody_else(service: Service) -> None:
    command = service.processes("haproxy")[-1].cmdline()
    folder = Path(command[command.index("-f") + 1]).parents[1]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(folder.glob("*/admin.sock"))


def test_a_scene_has_the_headers_of_the_contract(http: httpx.Client) -> None:
    response = http.post("/v1/scenes", json=scene(), headers={"X-Request-ID": "mine-1"})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "image/jpeg"
    assert all(len(response.headers.get_list(name)) == 1 for name in SCENE_HEADERS)
    assert response.headers["x-request-id"] == "mine-1"
    assert response.headers["x-seed"] == "character=1; background=1"
    assert response.headers["x-backend"] == "simulated"


def test_a_request_without_an_id_gets_one(http: httpx.Client) -> None:
    first, second = (http.get("/healthz").headers["x-request-id"] for _ in range(2))
    assert first and second and first != second


@pytest.mark.parametrize(
    ("requested", "reported"),
    [
        (scene(width=1), (422, "invalid_request")),
        (scene(deadline_s=0.01), (504, "deadline_exceeded")),
        (
            scene(background={"prompt": "x", "num_inference_steps": 1, "width": 64, "height": 1024})
            | {"seed": FLAT_SEED},
            (502, "generation_failed"),
        ),
    ],
    ids=["422", "504", "502"],
)
def test_an_error_is_passed_on_as_it_is(
    http: httpx.Client, requested: dict[str, Any], reported: tuple[int, str]
) -> None:
    """Errors of the edge pass unchanged; HAProxy answers 500 in place of its own 502, 503 and 504."""
    assert code_of(http.post("/v1/scenes", json=requested)) == reported


def test_what_there_is_no_room_for_gets_retry_after(http: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        requested = [pool.submit(http.post, "/v1/scenes", json=scene(10, seed=seed)) for seed in range(16)]
        responses = [future.result() for future in requested]
    assert {response.status_code for response in responses} == {200, 429}
    for refused in (response for response in responses if response.status_code == 429):
        assert code_of(refused) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "chunked"])
def test_a_body_over_the_limit(http: httpx.Client, announced: bool) -> None:
    pieces = [b" " * 65_536] * 40
    content = b"".join(pieces) if announced else iter(pieces)
    response = http.post("/v1/scenes", content=content, headers={"Content-Type": "application/json"})
    assert code_of(response) == (413, "payload_too_large")


def test_a_body_that_dawdles(url: str) -> None:
    with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0), 60) as connection:
        head = b"POST /v1/scenes HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(head + b"Content-Length: 99\r\n\r\n{")
        assert b" 408 " in connection.recv(4096).split(b"\r\n")[0]


@pytest.mark.parametrize(
    "header", [{"x-request-timeout-seconds": "0"}, {"x-request-disconnect-disabled": "?1"}], ids=str
)
def test_no_caller_steers_serve(http: httpx.Client, header: dict[str, str]) -> None:
    assert code_of(http.post("/v1/scenes", json=scene(), headers=header)) == (400, "invalid_header")


def test_a_connection_is_kept_even_after_a_refusal(url: str) -> None:
    connection = HTTPConnection(httpx.URL(url).host, httpx.URL(url).port, timeout=60)
    connection.connect()
    kept = connection.sock
    statuses = []
    for path in ("/nothing", "/healthz", "/v1/models"):
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        statuses.append(response.status)
        assert connection.sock is kept
    connection.close()
    assert statuses == [404, 200, 200]


def test_a_stream_ends_with_the_scene(http: httpx.Client) -> None:
    with http.stream("POST", "/v1/scenes", json=scene(), headers=EVENTS) as response:
        names = [name for name, _ in events(response)]
    assert names.count("layer.progress") == 4
    assert names[-1] == "scene.completed"


def test_events_come_as_they_happen_and_a_caller_that_leaves_stops_both_generators(
    service: Service, http: httpx.Client
) -> None:
    """Nothing would be left to cancel if HAProxy held events back until the end."""
    before = cancelled(service)
    with http.stream("POST", "/v1/scenes", json=scene(150), headers=EVENTS) as response:
        assert next(events(response))[0] == "layer.progress"
    expected = before + Counter(["Character", "Background"])
    until(lambda: cancelled(service) >= expected)


def cancelled(service: Service) -> Counter[str]:
    """Count the cancelled layers of each kind."""
    return Counter(
        {
            sample.labels["deployment"]: int(sample.value)
            for sample in samples(service.metrics)
            if sample.name == "ray_scenewright_layers_total" and sample.labels["outcome"] == "cancelled"
        }
    )


def test_no_panel_is_empty_and_serve_s_own_counters_go_on(service: Service, http: httpx.Client) -> None:
    assert http.post("/v1/scenes", json=scene()).status_code == 200

    def missing(series: Series) -> list[str]:
        return empty_panels(series) + sorted(
            {"ray_serve_num_http_requests_total"} - {name for name, _ in series}
        )

    wait_for_series(missing, service.metrics)
    assert any(sample.name == "haproxy_server_current_sessions" for sample in samples(service.haproxy))


class Watched(httpx.HTTPTransport):
    """Records responses before the client handles them."""

    def __init__(self) -> None:
        super().__init__()
        self.responses: list[tuple[int, str]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = super().handle_request(request)
        except httpx.TransportError as error:
            self.responses.append((0, type(error).__name__))
            raise
        self.responses.append((response.status_code, response.headers.get("content-type", "")))
        return response


def test_an_edge_replica_that_dies_under_load_costs_one_retry(service: Service) -> None:
    """The caller gets HAProxy's own 500 or 503, or the connection ends: our client retries."""
    until(lambda: len(replicas_that(service, "haproxy_server_status", state="UP")) == 2)
    transport = Watched()
    with (
        Scenewright(service.url, retries=Retries(most=1), transport=transport) as client,
        ThreadPoolExecutor(4) as pool,
    ):
        requested = [pool.submit(client.scene, **scene(80)) for _ in range(4)]
        until(lambda: len(replicas_that(service, "haproxy_server_current_sessions")) == 2, 8)
        killed = replica("Ingress")
        assert killed is not None
        killed.kill()
        pictures = {future.result().data for future in requested}
    assert len(pictures) == 1
    lost = [response for response in transport.responses if response != (200, "application/json")]
    assert 1 <= len(lost) <= 3
    own = {(status, "application/json") for status in (500, 503)}
    assert set(lost) <= own | {(0, "RemoteProtocolError"), (0, "ReadError")}


def replicas_that(service: Service, metric: str, **labels: str) -> set[str]:
    """Return the edge replicas for which HAProxy reports a value above zero."""
    return {
        sample.labels["server"]
        for sample in samples(service.haproxy)
        if sample.name == metric
        and sample.labels["server"].startswith("SERVE_REPLICA_scenewright-Ingress")
        and labels.items() <= sample.labels.items()
        and sample.value > 0
    }


def test_a_haproxy_that_dies_comes_back(service: Service) -> None:
    running = service.processes("haproxy")
    assert running
    for each in running:
        with suppress(psutil.NoSuchProcess):  # A process that a reload left behind may end by itself.
            each.kill()
            each.wait(30)
    until(lambda: ready(service))
    response = httpx.post(f"{service.url}/v1/scenes", json=scene(), timeout=60, trust_env=False)
    assert response.status_code == 200


def test_leaving_takes_haproxy_along(service: Service) -> None:
    """Stop the service, and HAProxy with it. This is the last test: the others need the service."""
    left = service.processes()
    assert service.processes("haproxy")
    service.process.terminate()
    assert service.process.wait(90) == 0
    assert not psutil.wait_procs(left, timeout=60)[1]
