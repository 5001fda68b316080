"""Who is asked for a key where HAProxy stands before the edge, and what a private one is told."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from serve.config.access import Authentication
from serve.config.service_config import ServiceConfig
from serve.ingress import Ingress
from serve.runtime import haproxy, local_cluster

LOOPBACK = ("127.0.0.1", 1)


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
    ("mode", "host", "asked"),
    [
        ("0", "127.0.0.1", "off"),
        ("1", "127.0.0.1", "off"),
        ("0", "192.0.2.1", "required"),
        ("1", "0.0.0.0", "required"),  # noqa: S104 (nothing listens)
    ],
    indirect=["mode"],
)
@pytest.mark.usefixtures("mode")
def test_a_service_of_this_machine_alone_asks_nobody(host: str, asked: Authentication) -> None:
    assert local_cluster.authentication_at(host) == asked


@pytest.mark.parametrize("mode", ["1"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_where_it_would_not_reach_the_edge_nothing_starts() -> None:
    with (
        pytest.raises(local_cluster.CannotStart, match=r"let --host be that, or 0\.0\.0\.0"),
        local_cluster.running(ServiceConfig(), "192.0.2.1", 8000),
    ):
        pytest.fail("it started")


@pytest.mark.parametrize("mode", ["1"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_its_socket_fits_beside_the_longest_names() -> None:
    """Ray puts the node's 56 letters into each path, and HAProxy its process id behind that of its socket."""
    settings = haproxy.private_settings("/tmp/scenewright-12345678")  # noqa: S108 (nothing is written)
    socket = Path(settings["RAY_SERVE_HAPROXY_SOCKET_PATH"])
    longest = socket.parent / ("f" * 56) / f"{socket.name}.4194304.tmp"
    assert len(str(longest)) <= 107


@pytest.mark.parametrize("mode", ["0"], indirect=True)
@pytest.mark.usefixtures("mode")
def test_without_the_mode_nothing_is_said() -> None:
    assert haproxy.private_settings("/x") == {}
