from __future__ import annotations

import re

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from serve.http.request_ids import RequestIds

MADE = re.compile(r"[0-9a-f-]{32,36}")


async def test_a_plain_id_is_kept(client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"X-Request-ID": "Order-66_a.b:2"})
    assert response.headers["x-request-id"] == "Order-66_a.b:2"


async def test_each_answer_without_one_gets_its_own(client: httpx.AsyncClient) -> None:
    made = {(await client.get("/healthz")).headers["x-request-id"] for _ in range(3)}
    assert len(made) == 3
    assert all(MADE.fullmatch(one) for one in made)


@pytest.mark.parametrize(
    "hostile",
    [
        b"a\r\nSet-Cookie: b=c",
        b"x" * 129,
        "é".encode(),
        "\u202eabc".encode(),
        b"a b",
        b"",
        b"<script>",
        b"a\x00",
    ],
)
async def test_a_hostile_id_is_refused_and_not_repeated(client: httpx.AsyncClient, hostile: bytes) -> None:
    response = await client.get("/healthz", headers={b"X-Request-ID": hostile})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_header", "x-request-id")
    assert MADE.fullmatch(error["request_id"])


@pytest.mark.parametrize("name", ["X-Request-Timeout-Seconds", "x-request-disconnect-disabled"])
async def test_serves_own_control_headers_are_refused(client: httpx.AsyncClient, name: str) -> None:
    response = await client.get("/healthz", headers={name: "1", "X-Request-ID": "mine"})
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["code"], error["param"], error["request_id"]) == ("invalid_header", name.lower(), "mine")
    assert response.headers["x-request-id"] == "mine"


async def test_a_state_that_requests_share_is_not_written_to() -> None:
    shared: dict[str, object] = {}
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"]["request_id"])

    for request_id in (b"one", b"two"):
        scope: Scope = {"type": "http", "headers": [(b"x-request-id", request_id)], "state": shared}
        await RequestIds(app)(scope, None, None)  # type: ignore[arg-type]
    assert (seen, shared) == (["one", "two"], {})


async def test_what_is_not_http_passes_through() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    await RequestIds(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    assert seen == ["lifespan"]


async def test_two_ids_are_none(client: httpx.AsyncClient) -> None:
    """Serve's proxy would read a different one than we would."""
    response = await client.get("/healthz", headers=[("X-Request-ID", "one"), ("X-Request-ID", "two")])
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_header")
