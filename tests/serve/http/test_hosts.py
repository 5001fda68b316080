"""Pages of other sites get nothing from a service without keys: neither by a host name nor by a request."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.hosts import Hosts
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.scene_requests import SCENE, SMALL, error_of

Send = Callable[..., httpx.AsyncClient]
LOOPBACK = [
    "127.0.0.1:8000",
    "localhost",
    "LOCALHOST:8000",
    "localhost.",
    "[::1]:8000",
    "127.8.9.1",
    "a.localhost",
    "localhost:",
    "127.0.0.1:",
    "[::1]:",
]
OTHERS = [
    "page.example:8000",
    "127.0.0.1.page.example:8000",
    "localhost.page.example",
    "192.0.2.7:8000",
    "0.0.0.0:8000",
    "2130706433",
    "user@localhost",
    "localhost@page.example",
    "localhost:8000:8000",
    "localhost,page.example",
    "",
]


@pytest.fixture
def send(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Send:
    """Yield clients of services with these settings, from this machine or another."""

    def make(address: str = "127.0.0.1", at: str = "127.0.0.1", **settings: Any) -> httpx.AsyncClient:
        data = config.model_dump() | {"state_dir": str(tmp_path)} | settings
        app = served(build_http(ServiceConfig.model_validate(data), graph))
        transport = httpx.ASGITransport(app, client=(address, 1))
        return httpx.AsyncClient(transport=transport, base_url=f"http://{at}:8000")

    return make


@pytest.mark.parametrize("host", LOOPBACK)
async def test_loopback_is_answered(send: Send, host: str) -> None:
    client = send()
    for path in ("/v1/models", "/", "/readyz", "/openapi.json"):
        assert (await client.get(path, headers={"Host": host})).status_code == 200


@pytest.mark.parametrize("host", OTHERS)
async def test_another_name_is_refused(send: Send, host: str) -> None:
    client = send()
    job = (await client.post("/v1/jobs", json={"scenes": [SCENE]})).headers["location"]
    for method, path in (
        ("GET", "/v1/jobs"),
        ("DELETE", job),
        ("GET", "/"),
        ("POST", "/v1/scenes"),
        ("GET", "/x"),
    ):
        refused = await client.request(method, path, headers={"Host": host, "X-Forwarded-Host": "localhost"})
        error = error_of(refused)
        assert (refused.status_code, error["code"], error["param"]) == (400, "invalid_host", "host")
    assert (await client.get(job)).json()["status"] == "queued"


async def test_the_health_routes_answer_to_any_address_and_to_no_other_name(send: Send) -> None:
    """A kubelet sends its probes to the pod's address."""
    for settings in (
        {"authentication": "off"},
        {"authentication": "required", "allowed_hosts": ["a.example"]},
    ):
        for path in ("/healthz", "/readyz"):
            hosts = {"10.1.2.3:8000": 200, "[2001:db8::1]": 200, "localhost:8000": 200, "page.example": 400}
            for host, status in hosts.items():
                response = await send(**settings).get(path, headers={"Host": host})
                assert response.status_code == status


async def test_allowed_hosts_where_no_key_is_required(send: Send) -> None:
    client = send(allowed_hosts=["paint.example", "*.lan.example", "192.0.2.7"])
    hosts = {"paint.example": 200, "Paint.Example:443": 200, "a.lan.example": 200, "192.0.2.7": 200}
    for host, status in (hosts | {"localhost": 200, "lan.example": 400, "x.paint.example": 400}).items():
        assert (await client.get("/v1/models", headers={"Host": host})).status_code == status
    assert (await send(allowed_hosts=["*"]).get("/v1/models", headers={"Host": "any"})).status_code == 200


async def test_where_keys_are_required_a_service_name_works_unless_allowed_hosts_says_otherwise(
    send: Send,
) -> None:
    for settings in ({"authentication": "required"}, {"authentication": None, "address": "192.0.2.9"}):
        open_, narrow = send(**settings), send(**settings, allowed_hosts=["scenewright-serve-svc"])
        for host, first, second in (
            ("scenewright-serve-svc:8000", 401, 401),
            ("page.example", 401, 400),
            ("localhost", 401, 400),
        ):
            assert (await open_.get("/v1/models", headers={"Host": host})).status_code == first
            assert (await narrow.get("/v1/models", headers={"Host": host})).status_code == second


async def test_the_address_at_which_another_machine_connects(send: Send) -> None:
    """The page is at http://192.0.2.5:8000/ with `--host 0.0.0.0` and `authentication: off`."""
    client = send(authentication="off", address="192.0.2.9", at="192.0.2.5")
    for host, status in (("192.0.2.5:8000", 200), ("192.0.2.6:8000", 400), ("page.example:8000", 400)):
        assert (await client.get("/", headers={"Host": host})).status_code == status


CROSSING = [
    {"Origin": "https://page.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://127.0.0.1:8000.page.example"},
    {"Origin": "http://127.0.0.1:8000@page.example"},
    {"Origin": "file://"},
    {"Origin": "http://[::1"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:8000"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1:8000"},
    {"Sec-Fetch-Site": "anything"},
]


@pytest.mark.parametrize("headers", CROSSING, ids=str)
async def test_another_site_s_page_changes_nothing(send: Send, headers: dict[str, str]) -> None:
    client = send()
    job = (await client.post("/v1/jobs", json={"scenes": [SCENE]})).headers["location"]
    for method, path in (
        ("POST", "/v1/merges"),
        ("POST", "/v1/jobs"),
        ("DELETE", job),
        ("PUT", "/x"),
        ("PATCH", "/"),
    ):
        refused = await client.request(method, path, headers=headers)
        assert (refused.status_code, error_of(refused)["code"]) == (403, "forbidden")
    assert (await client.get(job, headers=headers)).json()["status"] == "queued", "reading is allowed"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://127.0.0.1:8000"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://paint.example"},
        {"Sec-Fetch-Site": "none"},
        {"Host": "localhost", "Origin": "http://localhost"},
        {"Host": "localhost:80", "Origin": "http://LOCALHOST"},
        {"Origin": "https://paint.example", "X-Forwarded-Host": "paint.example"},
        {"Origin": "https://lan.example:8443"},
    ],
    ids=str,
)
async def test_the_page_itself_and_what_is_no_browser_may(send: Send, headers: dict[str, str]) -> None:
    client = send(allowed_hosts=["lan.example"])
    assert (await client.post("/v1/backgrounds", json=SMALL, headers=headers)).status_code == 200


async def test_a_key_is_enough(send: Send) -> None:
    """Another site's page does not know the key, and a browser does not send it by itself."""
    client = send(authentication="required")
    assert (await client.post("/v1/scenes", headers={"Origin": "https://page.example"})).status_code == 401


async def raw(*headers: tuple[bytes, bytes], kind: str = "http", version: str = "1.1") -> Any:
    """Return the middleware's own response to a request with only these headers; empty if it lets it pass."""
    sent: list[Any] = []

    async def inside(scope: Any, receive: Any, send: Any) -> None: ...

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "method": "GET",
        "path": "/v1/jobs",
        "http_version": version,
        "headers": list(headers),
    }
    await Hosts(inside, (), False)(scope, None, send)  # type: ignore[arg-type]
    return sent


async def test_one_host_and_no_more() -> None:
    local, other = (b"host", b"localhost"), (b"host", b"page.example")
    assert await raw(local) == []
    for wrong in ([], [local, other], [other, local], [local, local]):
        assert (await raw(*wrong))[0]["status"] == 400
    assert await raw(version="1.0") == [], "HTTP/1.0 has no Host, and browsers do not use it"
    assert (await raw(other, version="1.0"))[0]["status"] == 400


async def test_a_web_socket_is_checked_like_a_change() -> None:
    local, origin = (b"host", b"localhost"), (b"origin", b"https://page.example")
    assert await raw(local, kind="websocket") == []
    for wrong in ([local, origin], [(b"host", b"page.example")]):
        assert (await raw(*wrong, kind="websocket"))[0]["type"] == "websocket.close"
