"""Ray Serve's own error responses reach callers in the documented format."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest
from ray.serve._private.http_util import (
    RequestIdMiddleware,
    convert_object_to_asgi_messages,
    get_http_response_status,
    send_http_response_on_exception,
)
from ray.serve._private.proxy import HTTPProxy
from ray.serve._private.proxy_router import ProxyRouter
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.http.serve_answers import DocumentedErrors
from serve.http.serve_routes import CheckedHosts


def failing(error: BaseException) -> ASGIApp:
    """Return an application that answers an exception as Ray Serve's proxy does."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in send_http_response_on_exception(get_http_response_status(error, 5.0, "x"), False):
            await send(message)

    return app


def saying(status: int, said: str, **headers: str) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        for message in convert_object_to_asgi_messages(said, status, extra):
            await send(message)

    return app


def full(status: int, retry_after_s: float | None) -> BackPressureError:
    return BackPressureError(
        num_queued_requests=9, max_queued_requests=9, status_code=status, retry_after_s=retry_after_s
    )


async def requested(app: ASGIApp, method: str = "GET", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(DocumentedErrors(RequestIdMiddleware(app)), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.request(method, "/v1/scenes", headers=headers)


@pytest.mark.parametrize(
    ("app", "status", "code", "retry_after"),
    [
        (failing(TimeoutError()), 504, "deadline_exceeded", None),
        (failing(full(429, 3)), 429, "overloaded", "3"),
        (failing(full(429, None)), 429, "overloaded", "1"),
        (failing(full(503, None)), 503, "overloaded", "1"),
        (saying(503, "Request dropped due to backpressure"), 503, "overloaded", "1"),
        (failing(DeploymentUnavailableError(None)), 503, "not_ready", "5"),  # type: ignore[arg-type]
        (failing(RuntimeError("/secret/path")), 500, "internal", None),
        (saying(404, "Path '/x' not found. Ping http://.../-/routes"), 404, "not_found", None),
        (PlainTextResponse("Internal Server Error", 500), 500, "internal", None),
    ],
    ids=str,
)
async def test_an_error_of_serve_s_own(app: ASGIApp, status: int, code: str, retry_after: str | None) -> None:
    response = await requested(app, **{"x-request-id": "mine"})
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (status, code)
    assert error.keys() == {"type", "code", "message", "param", "request_id"}
    assert error["request_id"] == response.headers["x-request-id"] == "mine"
    assert response.headers.get("retry-after") == retry_after
    assert (
        len(response.headers.get_list("x-request-id")) == len(response.headers.get_list("content-type")) == 1
    )
    assert not any(word in response.text for word in ("secret", "backpressure", "/-/routes", "queued"))


@pytest.mark.parametrize("root_path", ["", "/behind"])
@pytest.mark.parametrize("populated", [False, True])
async def test_a_proxy_that_knows_no_route_yet_is_not_ready(root_path: str, populated: bool) -> None:
    """Serve's proxy, as it is between its start and its controller's first update."""
    router = ProxyRouter(lambda *_: None)  # type: ignore[arg-type,return-value]
    router._route_table_populated = populated
    proxy = HTTPProxy("node", "127.0.0.1", True, router, "proxy", access_log_context={})
    transport = httpx.ASGITransport(
        DocumentedErrors(CheckedHosts(RequestIdMiddleware(proxy))), root_path=root_path
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post(f"{root_path}/v1/scenes", content=b"{}")
    found = (response.status_code, response.json()["error"]["code"], response.headers.get("retry-after"))
    assert found == ((404, "not_found", None) if populated else (503, "not_ready", "1"))


async def test_one_without_an_id_gets_one() -> None:
    transport = httpx.ASGITransport(DocumentedErrors(failing(TimeoutError())))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/")
    assert response.json()["error"]["request_id"] == response.headers["x-request-id"] != ""


async def test_an_application_that_raises_is_an_error_too() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("lost")

    response = await requested(app)
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal")


async def pieces() -> AsyncGenerator[bytes, None]:
    for _ in range(3):
        yield b"piece"


@pytest.mark.parametrize(
    "response",
    [
        JSONResponse({"error": {"code": "overloaded"}}, 429),
        JSONResponse({"error": {"code": "not_ready"}}, 503, {"Retry-After": "2"}),
        PlainTextResponse("fine"),
        PlainTextResponse("another application's", 403),
        PlainTextResponse("Not Found", 404),
        Response("another application's", 422, media_type="text/plain"),
        StreamingResponse(pieces(), media_type="text/event-stream"),
    ],
    ids=["429", "503", "plain", "plain 403", "plain 404", "plain 422", "events"],
)
async def test_what_the_application_answers_stays(response: Any) -> None:
    seen: list[Message] = []
    wrapped: list[Message] = []

    async def run(app: ASGIApp, sent: list[Message]) -> None:
        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.4"}}
        await app(scope, receive, send)

    await run(DocumentedErrors(response), wrapped)
    if isinstance(response, StreamingResponse):
        assert [message.get("body") for message in wrapped] == [None, b"piece", b"piece", b"piece", b""]
        return
    await run(response, seen)
    assert wrapped == seen


async def test_serve_s_own_health_stays_plain() -> None:
    transport = httpx.ASGITransport(DocumentedErrors(saying(503, "DRAINING")))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/-/healthz")
    assert (response.status_code, response.text) == (503, "DRAINING")


async def test_a_long_plain_error_is_not_kept() -> None:
    async def long(scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 500, "headers": [(b"content-type", b"text/plain")]}
        await send(start)
        for last in (False,) * 100 + (True,):
            await send({"type": "http.response.body", "body": b"a" * 65_536, "more_body": not last})

    response = await requested(long)
    assert response.json()["error"]["code"] == "internal"
