"""Headers as Ray Serve's own proxy reads them, behind our middleware."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as some
from ray.serve._private.http_util import RequestIdMiddleware
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from serve.http.plain_headers import PlainHeaders

NAMES = ("x-request-id", "x-session-id", "X-Session_Id", "serve_multiplexed_model_id")
NAMES += ("Serve-Multiplexed-Model-Id", "x-request-timeout-seconds", "x-request-disconnect-disabled")


async def serve(scope: Scope, receive: Receive, send: Send) -> None:
    """Decode as ray.serve._private.proxy.setup_request_context_and_handle does."""
    from ray.serve._private import http_util

    headers = dict(scope["headers"])
    http_util.parse_session_id_header(headers)
    http_util.parse_request_timeout_header(headers, None)
    http_util.parse_disconnect_disabled_header(headers)
    for key, value in scope["headers"]:
        name = key.decode().lower().replace("-", "_")
        if name in ("serve_multiplexed_model_id", "x_request_id"):
            value.decode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"seen"})


async def requested(*headers: tuple[bytes, bytes]) -> httpx.Response:
    transport = httpx.ASGITransport(PlainHeaders(serve))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get("/healthz", headers=list(headers))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [b"\xff", b"caf\xe9", b"\xc3", b"\xed\xa0\x80"])
async def test_what_is_not_utf_8_is_refused_in_our_form(name: str, value: bytes) -> None:
    response = await requested((name.encode(), value))
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["param"]) == (400, "invalid_header", name.lower())
    assert error["request_id"] == response.headers["x-request-id"] != ""


@pytest.mark.parametrize("name", ["x-request-timeout-seconds", "X-Request-Disconnect-Disabled"])
async def test_nobody_steers_serve(name: str) -> None:
    error = (await requested((name.encode(), b"1"))).json()["error"]
    assert (error["code"], error["param"]) == ("invalid_header", name.lower())


async def test_a_trace_that_is_not_ascii_is_none() -> None:
    seen: list[Any] = []

    async def note(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await serve(scope, receive, send)

    sent = [(b"traceparent", b"00-\xff"), (b"tracestate", b"a=\xe9"), (b"accept", b"\xe9")]
    transport = httpx.ASGITransport(PlainHeaders(note))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/", headers=sent)).status_code == 200
    assert (b"accept", b"\xe9") in seen
    assert not {b"traceparent", b"tracestate"} & {name for name, _ in seen}


@pytest.mark.parametrize("value", [b"", b"  "])
async def test_an_empty_id_is_none(value: bytes) -> None:
    """Serve's own middleware would accept it as an id, and return it in the response."""
    transport = httpx.ASGITransport(PlainHeaders(RequestIdMiddleware(serve)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        assert (await client.get("/", headers=[(b"x-request-id", value)])).headers["x-request-id"]


async def test_a_target_that_is_no_path() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope: Scope = {"type": "http", "method": "OPTIONS", "path": "*", "headers": [], "query_string": b""}
    await PlainHeaders(serve)(scope, receive, send)
    assert sent[0]["status"] == 400
    assert json.loads(sent[1]["body"])["error"]["code"] == "invalid_request"


async def test_other_headers_may_hold_any_bytes() -> None:
    response = await requested(
        (b"user-agent", b"caf\xe9"), (b"x-session-id", "é".encode()), (b"x-note", b"\xff")
    )
    assert response.text == "seen"


@given(some.lists(some.tuples(some.sampled_from(NAMES), some.binary(max_size=20)), max_size=6))
async def test_serve_stumbles_over_nothing_that_passes(headers: list[tuple[str, bytes]]) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    raw = [(name.lower().encode(), value) for name, value in headers]
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": raw, "query_string": b""}
    await PlainHeaders(serve)(scope, receive, send)
    assert sent[0]["status"] in (200, 400)
    if sent[0]["status"] == 400:
        assert Headers(raw=sent[0]["headers"])["x-request-id"]
