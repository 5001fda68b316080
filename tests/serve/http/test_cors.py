"""Pages of allowed origins can read the responses; others get no more than without CORS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.cors import METHODS, READ, SENT
from serve.ingress import build_http
from tests.support.local_service import served
from tests.support.scene_requests import SCENE, error_of

Send = Callable[..., httpx.AsyncClient]
GAME = "https://game.example"
EVERY_PAGE_READS = {
    *("cache-control", "content-language", "content-length", "content-type"),
    *("expires", "last-modified", "pragma"),
}
"""The headers that CORS lets every allowed page read (the Fetch standard)."""
SERVERS_OWN = {"allow", "vary", "www-authenticate", "accept-encoding"}
ALLOW, EXPOSE = "access-control-allow-origin", "access-control-expose-headers"


@pytest.fixture
def send(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Send:
    """Yield clients of services with these settings, on this machine."""

    def make(*origins: str, **settings: Any) -> httpx.AsyncClient:
        own = {"state_dir": str(tmp_path), "allowed_origins": origins} | settings
        app = served(build_http(ServiceConfig.model_validate(config.model_dump() | own), graph))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")

    return make


def preflight(origin: str, method: str = "POST", headers: str = "authorization,content-type") -> Any:
    requested = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", **requested}


async def test_an_allowed_page_paints_where_no_key_is_needed(send: Send) -> None:
    client = send(GAME, authentication="off")
    requested = await client.options("/v1/scenes", headers=preflight(GAME))
    assert requested.status_code == 200, requested.text
    assert requested.headers[ALLOW] == GAME
    from_the_page = {"Origin": GAME, "Sec-Fetch-Site": "cross-site"}
    painted = await client.post("/v1/scenes", json=SCENE, headers=from_the_page)
    assert painted.status_code == 200, painted.text
    assert painted.headers[ALLOW] == GAME
    assert "Origin" in painted.headers["vary"]
    assert "X-Seed" in painted.headers[EXPOSE]


@pytest.mark.parametrize(
    "origin",
    [
        "https://other.example",
        "http://game.example",
        "https://game.example:8443",
        "https://game.example.evil.example",
        "https://evilgame.example",
        "https://game.example/",
        "null",
        "",
    ],
)
async def test_no_other_page_does(send: Send, origin: str) -> None:
    client = send(GAME, authentication="off")
    requested = await client.options("/v1/scenes", headers=preflight(origin))
    assert requested.status_code == 403
    assert error_of(requested)["code"] == "forbidden"
    assert ALLOW not in requested.headers
    sent = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
    refused = await client.post("/v1/scenes", json=SCENE, headers=sent)
    assert refused.status_code == 403
    assert ALLOW not in refused.headers
    read = await client.get("/v1/models", headers=sent)
    assert read.status_code == 200
    assert ALLOW not in read.headers


async def test_several_origins_at_once_are_another_sites(send: Send) -> None:
    client = send(GAME, authentication="off")
    headers = [("Origin", GAME), ("Origin", "https://other.example"), ("Sec-Fetch-Site", "cross-site")]
    refused = await client.post("/v1/scenes", json=SCENE, headers=headers)
    assert refused.status_code == 403


async def test_off_by_default(send: Send) -> None:
    requested = await send(authentication="off").options("/v1/scenes", headers=preflight(GAME))
    assert requested.status_code == 405
    assert not [name for name in requested.headers if name.startswith("access-control")]


async def test_a_preflight_needs_no_key_and_an_allowed_page_reads_the_refusal(send: Send) -> None:
    client = send(GAME, authentication="required")
    requested = await client.options("/v1/scenes", headers=preflight(GAME))
    assert requested.status_code == 200, requested.text
    refused = await client.post("/v1/scenes", json=SCENE, headers={"Origin": GAME})
    assert refused.status_code == 401
    assert refused.headers[ALLOW] == GAME
    assert "access-control-allow-credentials" not in refused.headers
    plain = await client.options("/v1/scenes", headers={"Origin": GAME})
    assert plain.status_code == 401, "OPTIONS needs a key unless it is a preflight"


@pytest.mark.parametrize(
    ("method", "headers"), [("PROPFIND", "authorization"), ("POST", "cookie"), ("POST", "x-forwarded-host")]
)
async def test_a_page_sends_only_what_routes_read(send: Send, method: str, headers: str) -> None:
    requested = await send(GAME, authentication="off").options(
        "/v1/scenes", headers=preflight(GAME, method, headers)
    )
    assert requested.status_code == 403
    assert error_of(requested)["code"] == "forbidden"


async def test_a_page_sends_and_reads_whatever_the_api_describes(send: Send) -> None:
    described = (await send(authentication="off").get("/openapi.json")).json()["paths"].values()
    operations = [(method, each) for path in described for method, each in path.items()]
    assert {method.upper() for method, _ in operations} <= {*METHODS}
    sent = {
        each["name"] for _, of in operations for each in of.get("parameters", ()) if each["in"] == "header"
    }
    assert sent and sent <= {*SENT}
    answers = [answer for _, of in operations for answer in of["responses"].values()]
    read = {name for answer in answers for name in answer.get("headers", ())}
    assert "X-Cast" in read
    assert {name.lower() for name in read} <= {name.lower() for name in READ} | EVERY_PAGE_READS | SERVERS_OWN


async def test_the_host_is_checked_before(send: Send) -> None:
    client = send(GAME, authentication="off")
    requested = await client.options("http://page.example/v1/scenes", headers=preflight(GAME))
    assert (requested.status_code, error_of(requested)["code"]) == (400, "invalid_host")


@pytest.mark.parametrize(
    "origin",
    [
        *(
            "*",
            "null",
            "",
            "game.example",
            "https://game.example/",
            "https://*.example",
            "ftp://game.example",
        ),
        *("https://u:p@game.example", "https://game.example:", "https://g\u00e4me.example", "http://[::1"),
    ],
)
def test_what_is_no_origin_is_refused_in_the_configuration(config: ServiceConfig, origin: str) -> None:
    with pytest.raises(ValidationError, match="allowed_origins"):
        ServiceConfig.model_validate(config.model_dump() | {"allowed_origins": [origin]})


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("HTTPS://Game.Example:443", GAME),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://[::1]:80", "http://[::1]"),
    ],
)
async def test_an_origin_is_compared_as_browsers_write_it(send: Send, written: str, sent: str) -> None:
    client = send(written, authentication="off")
    read = await client.get("/v1/models", headers={"Origin": sent})
    assert read.headers[ALLOW] == sent
