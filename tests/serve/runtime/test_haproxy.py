"""HAProxy before the edge requires keys; and the configuration of a private HAProxy."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
import ray

from serve.app import build
from serve.config import haproxy_mode
from serve.config.access import Authentication
from serve.config.replica_options import IngressOptions
from serve.config.serve_file import SHIPPED_FOLDER, ConfigFileError, load
from serve.config.service_config import ServiceConfig
from serve.http import haproxy_launcher
from serve.ingress import Ingress
from serve.runtime import haproxy, local_cluster
from serve.runtime.listen_address import free_port
from serve.runtime.start_errors import CannotStart

LOOPBACK = ("127.0.0.1", 1)
ASKS = ServiceConfig(ingress=IngressOptions(haproxy=True))


@pytest.fixture
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", request.param)


@pytest.mark.parametrize(
    ("mode", "authentication", "status"),
    [("0", None, 401), ("1", None, 401), ("1", "required", 401), ("1", "off", 404)],
    indirect=["mode"],
)
@pytest.mark.usefixtures("mode")
async def test_behind_it_nobody_passes_for_a_caller_from_this_machine(
    config: ServiceConfig, authentication: Authentication | None, status: int
) -> None:
    config = config.model_copy(update={"authentication": authentication})
    ingress = Ingress(config, *[None] * 4)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(ingress.__serve_build_asgi_app__(), client=LOOPBACK)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as http:
        assert (await http.get("/v1/nothing")).status_code == status


@pytest.mark.parametrize(
    ("mode", "host", "requested"),
    [
        ("0", "127.0.0.1", "off"),
        ("1", "127.0.0.1", "off"),
        ("0", "192.0.2.1", "required"),
        ("1", "0.0.0.0", "required"),  # noqa: S104 (nothing listens)
    ],
    indirect=["mode"],
)
@pytest.mark.usefixtures("mode")
def test_a_service_of_this_machine_alone_requires_no_key(host: str, requested: Authentication) -> None:
    assert local_cluster.authentication_at(host) == requested


@pytest.mark.parametrize("mode", ["1"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_where_it_would_not_reach_the_edge_nothing_starts() -> None:
    with (
        pytest.raises(CannotStart, match=r"set --host to that or to 0\.0\.0\.0"),
        local_cluster.running(ServiceConfig(), "192.0.2.1", 8000),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("mode", ["1"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_its_socket_fits_beside_the_longest_names() -> None:
    """Ray adds the node's 56 letters to each path, and HAProxy appends its process id to its socket's."""
    settings = haproxy.private_settings("/tmp/scenewright-12345678")  # noqa: S108 (nothing is written)
    socket = Path(settings["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    longest = socket.parent / ("f" * 56) / f"{socket.name}.4194304.tmp"
    assert len(str(longest)) <= 107


@pytest.mark.parametrize("mode", ["0"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_without_the_mode_nothing_is_said() -> None:
    assert haproxy.private_settings("/x") == {}


@pytest.fixture
def said(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the mode in the environment; None leaves it unset."""
    monkeypatch.delenv(haproxy_mode.SWITCH, raising=False)
    if request.param is not None:
        monkeypatch.setenv(haproxy_mode.SWITCH, request.param)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (None, "must be the absolute path"),
        ("#!/bin/sh\necho something else\n", "does not print the version of HAProxy"),
        ("#!/bin/sh\necho HAProxy version 3.2.1\nexit 1\n", "does not print the version of HAProxy"),
        ("no program\n", "does not print the version of HAProxy"),
    ],
)
@pytest.mark.parametrize("config", [ASKS, ServiceConfig()], ids=["requested", "not requested"])
@pytest.mark.parametrize("said", [None], indirect=True)
@pytest.mark.usefixtures("said")
def test_a_chosen_program_that_is_no_haproxy_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: ServiceConfig, written: str | None, message: str
) -> None:
    program = tmp_path / "haproxy"
    if written:
        program.write_text(written)
        program.chmod(0o700)
    monkeypatch.setenv(haproxy_launcher.CHOSEN_BY, str(program))
    with (
        pytest.raises(CannotStart, match=f"^SCENEWRIGHT_HAPROXY.*{message}"),
        local_cluster.running(config, "127.0.0.1", 0),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("said", [None], indirect=True)
@pytest.mark.usefixtures("said")
def test_a_chosen_haproxy_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "haproxy"
    program.write_text("#!/bin/sh\necho HAProxy version 3.2.1-1234 2026/01/01\n")
    program.chmod(0o700)
    monkeypatch.setenv(haproxy_launcher.CHOSEN_BY, str(program))
    assert haproxy.switch(ASKS) == {haproxy_mode.SWITCH: "1"}


@pytest.mark.parametrize(
    ("said", "config", "on"),
    [
        (None, ASKS, True),
        ("1", ASKS, True),
        ("0", ASKS, False),
        (None, ServiceConfig(), False),
        ("1", ServiceConfig(), True),
    ],
    indirect=["said"],
)
@pytest.mark.usefixtures("said")
def test_the_environment_has_the_last_word(config: ServiceConfig, on: bool) -> None:
    assert haproxy.switch(config) == ({haproxy_mode.SWITCH: "1"} if on else {})


def test_gpu_yaml_has_it_as_it_is_shipped() -> None:
    others = {file.name for file in SHIPPED_FOLDER.glob("*.yaml")} - {"gpu.yaml"}
    assert load(SHIPPED_FOLDER / "gpu.yaml").config.ingress.haproxy
    assert not any(load(SHIPPED_FOLDER / name).config.ingress.haproxy for name in others)


@pytest.mark.parametrize("said", [None], indirect=True)
@pytest.mark.parametrize("fault", [ImportError("none"), FileNotFoundError("none")])
@pytest.mark.usefixtures("said")
def test_where_there_is_no_haproxy_nothing_starts(monkeypatch: pytest.MonkeyPatch, fault: Exception) -> None:
    def missing() -> str:
        raise fault

    monkeypatch.setattr(haproxy_launcher, "find_haproxy", missing)
    with (
        pytest.raises(CannotStart, match="requested but not installed"),
        local_cluster.running(ASKS, "127.0.0.1", 0),
    ):
        pytest.fail("it started")
    assert haproxy_mode.SWITCH not in os.environ


@pytest.mark.parametrize(
    ("said", "on_ray", "refused"),
    [(None, True, True), (None, False, False), ("0", True, False), ("1", True, False)],
    indirect=["said"],
)
@pytest.mark.usefixtures("said")
def test_a_ray_that_was_started_without_it_builds_nothing(
    monkeypatch: pytest.MonkeyPatch, on_ray: bool, refused: bool
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: on_ray)
    if refused:
        with pytest.raises(ValueError, match=f"set {haproxy_mode.SWITCH}=1 .* on every node"):
            build(ASKS)
    else:
        haproxy_mode.refuse_without(ASKS, on_ray)


@pytest.mark.parametrize("said", [None], indirect=True)
@pytest.mark.usefixtures("said")
def test_it_ends_no_tls(tmp_path: Path) -> None:
    file = tmp_path / "serve.yaml"
    shipped = (SHIPPED_FOLDER / "gpu.yaml").read_text()
    file.write_text(shipped.replace("port: 8000", "port: 8000\n  ssl_keyfile: k\n  ssl_certfile: c"))
    with pytest.raises(ConfigFileError, match="ssl_keyfile does nothing behind Ray's HAProxy"):
        load(file)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """Take each port that HAProxy uses besides the service's; yield the taken ports by name."""
    monkeypatch.setenv(haproxy_mode.SWITCH, "1")
    with ExitStack() as stack:
        found = {}
        for name, (_, what) in haproxy.PORTS.items():
            monkeypatch.delenv(name, raising=False)
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            found[name] = listener.getsockname()[1]
            monkeypatch.setitem(haproxy.PORTS, name, (found[name], what))
        yield found


def test_a_second_one_on_this_machine_has_ports_of_its_own(taken: dict[str, int]) -> None:
    said: list[str] = []
    port = free_port()
    chosen = haproxy.private_ports("127.0.0.1", port, said.append)
    assert chosen.keys() == taken.keys()
    assert len({port, *taken.values(), *map(int, chosen.values())}) == 7
    for number, line in zip(taken.values(), said, strict=True):
        assert line.startswith(f"note: port {number} is taken")
    for number in chosen.values():
        socket.create_server(("127.0.0.1", int(number))).close()


def test_the_only_one_has_ray_s_usual_ports(taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in taken:
        monkeypatch.setitem(haproxy.PORTS, name, (free_port(), "it"))
    said: list[str] = []
    usual = {name: str(number) for name, (number, _) in haproxy.PORTS.items()}
    assert haproxy.private_ports("127.0.0.1", 1, said.append) == usual
    assert said == []


def test_none_has_the_port_of_the_service(taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    for name in taken:
        monkeypatch.setitem(haproxy.PORTS, name, (port, "it"))
    chosen = haproxy.private_ports("127.0.0.1", port, lambda text: None)
    assert len({str(port), *chosen.values()}) == 4


@pytest.mark.parametrize("name", list(haproxy.PORTS))
@pytest.mark.parametrize("wrong", ["http", "0", "65536", "-1", "1.5", "taken"])
def test_a_port_that_is_named_and_cannot_be_had_is_no_start(
    taken: dict[str, int], monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    monkeypatch.setenv(name, str(taken[name]) if wrong == "taken" else wrong)
    with (
        pytest.raises(CannotStart, match=f"^{name}"),
        local_cluster.running(ServiceConfig(), "127.0.0.1", 0),
    ):
        pytest.fail("it started")


def test_a_port_that_is_named_is_taken(taken: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    (name, *_) = taken
    port = free_port()
    monkeypatch.setenv(name, str(port))
    assert haproxy.private_ports("127.0.0.1", 1, lambda text: None)[name] == str(port)


@pytest.mark.parametrize("mode", ["0"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_without_the_mode_no_port_is_taken() -> None:
    assert haproxy.private_ports("127.0.0.1", 1, pytest.fail) == {}
