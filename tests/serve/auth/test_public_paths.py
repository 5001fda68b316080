"""Only the listed paths are answered without a key, whatever the prefix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from serve.auth.key_store import open_keys
from serve.auth.middleware import PUBLIC, AuthMiddleware
from serve.config.access import SCOPES
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.guarded_routes import GUARDED
from tests.support.local_service import mounted, served
from tests.support.scene_requests import SCENE, error_of

PREFIXES = ["", "/paint", "/a/b", "/v1", "/healthz", "/static/main.js"]


@pytest.fixture(params=PREFIXES)
def prefix(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def app(config: ServiceConfig, graph: Graph, tmp_path: Path) -> ASGIApp:
    settings = {"state_dir": str(tmp_path), "authentication": "required"}
    return served(build_http(config.model_copy(update=settings), graph))


def client_of(app: ASGIApp, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://scenewright-serve-svc", headers=headers
    )


@pytest.mark.parametrize("way", ["root_path", "mount"])
async def test_nothing_else_is_answered(app: ASGIApp, prefix: str, way: str) -> None:
    outer = mounted(app, prefix) if way == "root_path" else Starlette(routes=[Mount(prefix, app)])
    client = client_of(outer)
    for path in sorted(PUBLIC):
        assert (await client.get(f"{prefix}{path}")).status_code == 200
        assert (await client.head(f"{prefix}{path}")).status_code != 401
    if prefix:
        assert (await client.get(prefix)).status_code == 307
    for method, path in GUARDED:
        url = httpx.URL("http://localhost").copy_with(raw_path=f"{prefix}{path}".encode())  # not normalised
        refused = await client.request(method, url)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer"), path


async def test_a_key_s_scope_counts_under_a_prefix_too(app: ASGIApp, tmp_path: Path) -> None:
    store = open_keys(tmp_path)
    paints, submits = (store.create(scope, (scope,))[1] for scope in SCOPES[:2])
    for key, painted, submitted in ((paints, 200, 403), (submits, 403, 202)):
        client = client_of(mounted(app, "/paint"), Authorization=f"Bearer {key}")
        assert (await client.post("/paint/v1/scenes", json=SCENE)).status_code == painted
        assert (await client.post("/paint/v1/jobs", json={"scenes": [SCENE]})).status_code == submitted


async def test_a_path_beside_the_prefix_is_no_public_one(app: ASGIApp) -> None:
    """HAProxy's route to a replica compares prefixes as text: /paint is a prefix of /painting too."""
    client = client_of(mounted(app, "/paint"))
    for path in ("/painting/healthz", "/paintv1/models", "/v1/models"):
        assert error_of(await client.get(path))["code"] == "unauthenticated"


async def test_a_web_socket_needs_a_key_too(app: ASGIApp, tmp_path: Path) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def call(*headers: tuple[bytes, bytes]) -> str:
        sent.clear()
        scope = {"type": "websocket", "path": "/v1/live", "headers": list(headers)}
        await AuthMiddleware(inside, lambda: open_keys(tmp_path))(scope, None, send)  # type: ignore[arg-type]
        return str(sent[0]["type"])

    assert await call() == "websocket.close"
    key = open_keys(tmp_path).create("x", ("generate",))[1]
    assert await call((b"authorization", f"Bearer {key}".encode())) == "websocket.accept"
