"""HAProxy with Ray Serve's configuration and our limits: the real program, over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn
from ray.serve._private.haproxy import BackendConfig, HAProxyApi, HAProxyConfig, ServerConfig
from ray.serve.config import HTTPOptions

from serve.http.connection_limits import ConnectionLimits
from serve.http.haproxy_config import UnknownConfiguration, bounded, early_errors
from serve.http.haproxy_launcher import CHOSEN_BY, SCRIPT, find_haproxy, write_script
from serve.runtime.listen_address import free_port
from tests.support.polling import until
from tests.support.wire import GET, Echo, flood, is_closed, responses

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


def ray_s_file(
    folder: Path, port: int, ports: tuple[int, int], server: int | None, log: str = "127.0.0.1:514"
) -> Path:
    """Let Ray write its configuration for a replica at port `server`; with None it knows no route yet."""
    configuration = HAProxyConfig(
        http_options=HTTPOptions(host="127.0.0.1", port=port),
        socket_path=f"{folder}/admin.sock",
        server_state_base=str(folder),
        server_state_file=f"{folder}/state",
        metrics_socket_path=f"{folder}/metrics.sock",
        metrics_port=ports[0],
        stats_port=ports[1],
        timeout_server_s=30,
        log_target=log,
        is_head=True,
        has_received_routes=server is not None,
    )
    backends = {}
    if server is not None:
        backends["http-x"] = BackendConfig(
            name="http-x",
            path_prefix="/paint",
            app_name="x",
            servers=[ServerConfig("one", "127.0.0.1", server)],
            http_health_check_path="/healthz",
        )
    file = folder / "haproxy.cfg"
    api = HAProxyApi(configuration, backends, str(file))
    api._generate_config_file_internal()
    return file


@pytest.fixture
def text(tmp_path: Path) -> str:
    return ray_s_file(tmp_path, 1, (2, 3), 4).read_text()


def test_every_line_that_it_changes_is_there_and_once_is_enough(text: str, tmp_path: Path) -> None:
    changed = bounded(text, ConnectionLimits(), tmp_path)
    assert bounded(changed, ConnectionLimits(), tmp_path) == changed
    assert "bind :2" not in changed
    assert "bind *:3" not in changed


def test_a_backend_of_grpc_is_no_route_over_http(tmp_path: Path) -> None:
    grpc = "\nfrontend grpc_frontend\n    use_backend grpc_fallback_backend if is_list_applications\n"
    before = ray_s_file(tmp_path, 1, (2, 3), None).read_text() + grpc
    assert "has just started" in bounded(before, ConnectionLimits(), tmp_path)
    known = ray_s_file(tmp_path, 1, (2, 3), 4).read_text() + grpc
    assert "has just started" not in bounded(known, ConnectionLimits(), tmp_path)


@pytest.mark.parametrize("per_address", [0, 5])
def test_its_last_places_are_kept_for_the_node_itself(text: str, tmp_path: Path, per_address: int) -> None:
    """Health checks come from the node; otherwise silent connections would take these places, too."""
    limits = ConnectionLimits(
        connections=10,
        health_connections=4,
        connections_per_address=per_address,
        trusted_proxies=("10.0.0.0/8",),
    )
    lines = [line.strip() for line in bounded(text, limits, tmp_path).splitlines()]
    assert "maxconn 84" in lines
    spared = lines.index("acl scenewright_spared src 127.0.0.0/8 ::1 10.0.0.0/8")
    assert "tcp-request connection reject if { fe_conn gt 82 } !scenewright_spared" in lines[spared:]


@pytest.mark.parametrize(
    "line",
    [
        "    option httplog\n",
        "frontend prometheus\n",
        "listen stats\n",
        "frontend http_frontend\n",
        "    maxconn ",
        "    tune.bufsize ",
        "mode 666",
        "    errorfile 503 ",
        "    http-request return status 404 ",
    ],
)
def test_another_ray_is_no_start(text: str, tmp_path: Path, line: str) -> None:
    assert line in text
    with pytest.raises(UnknownConfiguration):
        bounded(text.replace(line, "    # "), ConnectionLimits(), tmp_path)


def test_its_program_says_so_and_starts_nothing(tmp_path: Path) -> None:
    file = tmp_path / "haproxy.cfg"
    file.write_text("global\n")
    program = write_script(tmp_path / SCRIPT)
    ended = subprocess.run([program, "-db", "-f", str(file)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{SCRIPT}: Ray's HAProxy configuration has 0 ")
    assert file.read_text() == "global\n"


@pytest.mark.parametrize("name", list(early_errors()))
def test_what_it_answers_without_a_request_is_in_our_shape(name: str) -> None:
    head, _, body = early_errors()[name].partition("\r\n\r\n")
    error = json.loads(body)["error"]
    assert error.keys() == {"type", "code", "message", "param", "request_id"}
    assert f"Content-Length: {len(body)}" in head.split("\r\n")


@dataclass
class Running:
    address: tuple[str, int]
    ports: tuple[int, int]
    folder: Path
    log: socket.socket
    app: Echo

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, 20)

    def send(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.connect() as connection:
            connection.sendall(request)
            return responses(connection, 1)[0]


@contextmanager
def started(file: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    program = write_script(file.parent / SCRIPT)
    chosen = {CHOSEN_BY: os.environ[CHOSEN_BY]} if CHOSEN_BY in os.environ else {}
    command = [program, "-db", "-f", str(file)]
    process = subprocess.Popen(command, env=chosen | environment, stderr=sys.stderr)
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def haproxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Start HAProxy with one replica behind it, and a socket for its log."""
    folder = tmp_path_factory.mktemp("ha")
    app = Echo()
    config = uvicorn.Config(app, "127.0.0.1", 0, log_level="critical", lifespan="off")
    server = uvicorn.Server(config)
    with ExitStack() as stack:
        listener, log = (stack.enter_context(socket.socket(type=kind)) for kind in (1, 2))
        for each in (listener, log):
            each.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        stack.callback(thread.join)
        stack.callback(lambda: setattr(server, "should_exit", True))
        stack.callback(app.go_on.set)
        port, ports = free_port(), (free_port(), free_port())
        target = f"127.0.0.1:{log.getsockname()[1]}"
        file = ray_s_file(folder, port, ports, listener.getsockname()[1], target)
        environment = {
            "SCENEWRIGHT_HEADER_TIMEOUT_S": "1",
            "SCENEWRIGHT_MAX_CONNECTIONS": "8",
            "SCENEWRIGHT_CHECKED_HOSTS": "paint.example,*.lan",
        }
        process = stack.enter_context(started(file, **environment))
        running = Running(("127.0.0.1", port), ports, folder, log, app)
        until(lambda: process.poll() is None and is_up(running))
        yield running


def is_up(running: Running) -> bool:
    try:
        return running.send(b"GET /paint/healthz HTTP/1.1\r\nHost: a\r\n\r\n")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize(
    ("request_", "found"),
    [
        (HEAD + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n", (431, "header_too_large")),
        (HEAD + b"a: %s\r\n" % (b"b" * 80) * 800 + b"\r\n", (431, "header_too_large")),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", (431, "header_too_large")),
        (HEAD + b"\r\n", (404, "not_found")),
    ],
    ids=["one", "many", "target", "no route"],
)
def test_its_own_errors_have_our_shape(haproxy: Running, request_: bytes, found: tuple[int, str]) -> None:
    status, headers, body = haproxy.send(request_)
    error = json.loads(body)["error"]
    assert (status, error["code"]) == found
    assert headers["content-type"] == "application/json"
    assert error["request_id"] == headers.get("x-request-id")


def test_what_it_knows_no_route_for_yet_is_not_ready(tmp_path: Path) -> None:
    """Ray starts it before it knows a route, also after it has died; clients would take a 404 as final."""
    port = free_port()
    file = ray_s_file(tmp_path, port, (free_port(), free_port()), None)
    with started(file) as process:
        running = Running(("127.0.0.1", port), (0, 0), tmp_path, socket.socket(), Echo())
        status, headers, body = until(lambda: process.poll() is None and first_answer(running))
    running.log.close()
    assert (status, json.loads(body)["error"]["code"]) == (503, "not_ready")
    assert headers["retry-after"] == "1"


def first_answer(running: Running) -> tuple[int, dict[str, str], bytes] | None:
    try:
        return running.send(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n")
    except OSError:
        return None


@pytest.mark.parametrize(
    ("request_", "found", "newer"),
    [
        (HEAD + b"X-A: " + b"a" * 200_000, 400, (431, "header_too_large")),
        (b"GET /" + b"a" * 200_000, 400, (431, "header_too_large")),
        (HEAD + b"a: b\r\n" * 1_100 + b"\r\n", 400, (400, "invalid_request")),
        (b"GARBAGE\r\n\r\n", 400, (400, "invalid_request")),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400, (400, "invalid_request")),
        (HEAD, 408, (408, "request_timeout")),
        (HEAD + b"X-A: " + b"a" * 1_000, 408, (408, "request_timeout")),
    ],
    ids=["endless", "target", "fields", "garbage", "encoding", "slow", "slower"],
)
def test_what_it_cannot_read_it_refuses_itself(
    haproxy: Running, request_: bytes, found: int, newer: tuple[int, str]
) -> None:
    """Our error format needs HAProxy 3.2, which SCENEWRIGHT_HAPROXY may name (docs/security.md)."""
    status, headers, body = haproxy.send(request_)
    assert headers["connection"] == "close"
    if version() < (3, 2):
        assert (status, headers["content-type"]) == (found, "text/html")
    else:
        assert (status, json.loads(body)["error"]["code"]) == newer


def version() -> tuple[int, ...]:
    said = subprocess.run([find_haproxy(), "-v"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


def test_another_haproxy_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "haproxy"
    monkeypatch.setenv(CHOSEN_BY, str(program))
    with pytest.raises(ValueError, match="must be the absolute path"):
        find_haproxy()
    program.write_text('#!/bin/sh\necho "this one: $*"\n')
    program.chmod(0o700)
    file = ray_s_file(tmp_path, 1, (2, 3), 4)
    command = [write_script(tmp_path / SCRIPT), "-f", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout == f"this one: -f {file}\n"
    assert file.read_text().startswith("# Bounded")


@pytest.mark.parametrize("path", ["/-/routes", "/-/healthz", "/-/ROUTES"])
@pytest.mark.parametrize(
    ("host", "responded"),
    [
        *(("127.0.0.1:8000", True), ("[::1]:8000", True), ("10.0.0.7", True), ("LocalHost.", True)),
        *(("a.localhost", True), ("paint.example:8000", True), ("studio.lan", True), ("localhost:", True)),
        *(
            ("page.example", False),
            ("127.0.0.1.page.example", False),
            ("lan", False),
            ("paintxexample", False),
        ),
    ],
)
def test_ray_s_own_routes_answer_to_no_other_name(
    haproxy: Running, path: str, host: str, responded: bool
) -> None:
    status, _, body = haproxy.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    if responded:
        assert status in (200, 503)  # 503 until a server is up
    else:
        assert (status, json.loads(body)["error"]["code"]) == (400, "invalid_host")


def test_a_header_of_60_kb_passes(haproxy: Running) -> None:
    requested = b"GET /paint/ HTTP/1.1\r\nHost: a\r\nX-A: " + b"a" * 60_000 + b"\r\n\r\n"
    assert haproxy.send(requested)[0] == 200


def test_a_header_without_end_is_not_taken_in(haproxy: Running) -> None:
    with haproxy.connect() as connection:
        connection.sendall(HEAD + b"X-A: ")
        assert flood(connection, lambda _: b"a" * 65_536, 256 << 20) < 64 << 20


def test_a_silent_connection_is_closed(haproxy: Running) -> None:
    with haproxy.connect() as connection:
        assert is_closed(connection)


def test_health_has_room_beside_silent_connections(haproxy: Running) -> None:
    """Its limits here are 64 connections for work, and 64 more for health checks only."""
    with ExitStack() as stack:
        for _ in range(80):
            stack.enter_context(haproxy.connect())
        status, headers, body = haproxy.send(b"GET /paint/ HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (status, json.loads(body)["error"]["code"]) == (429, "overloaded")
        assert headers["retry-after"] == "1"
        assert haproxy.send(GET.replace(b"/healthz", b"/paint/healthz"))[0] == 200


def test_nothing_but_the_service_listens_beyond_loopback(haproxy: Running) -> None:
    for port in haproxy.ports:
        with socket.socket() as other:
            other.bind(("127.0.0.2", port))  # Fails if HAProxy is bound to every address.
    assert stat.S_IMODE((haproxy.folder / "admin.sock").stat().st_mode) == 0o600


def test_its_log_is_json_without_query_strings(haproxy: Running) -> None:
    haproxy.send(b'GET /paint/lo"g?secret=words HTTP/1.1\r\nHost: a\r\nX-Request-ID: mine\r\n\r\n')
    haproxy.log.settimeout(20)
    while True:
        line = haproxy.log.recv(65_536).decode()
        assert "secret" not in line
        if "haproxy" in line and 'lo\\"g' in line:
            break
    record = json.loads(line[line.index("{") :])
    assert (record["method"], record["route"], record["status"]) == ("GET", '/paint/lo"g', 200)
    assert record["request_id"] == "mine"
