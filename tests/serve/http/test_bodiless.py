"""A large body is refused at its header if the route does not read one, however it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.config.service_config import ServiceConfig
from serve.http.body_limits import MAX_BYTES, METHODS, Bodiless
from serve.http.request_slots import HEALTH
from serve.ingress import guard
from tests.support.local_service import SIMULATED

TIMEOUT_S = 0.2


class App:
    """Records what it receives."""

    def __init__(self) -> None:
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.received.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def sent(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
async def client(app: App) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Bodiless(app, TIMEOUT_S))
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as found:
        yield found


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("pieces", [(b"a" * (MAX_BYTES + 1),), (b"a" * 9_000, b"a" * 9_000)], ids=len)
@pytest.mark.parametrize("announced", [True, False])
async def test_a_large_one_is_refused(
    client: httpx.AsyncClient, app: App, method: str, pieces: tuple[bytes, ...], announced: bool
) -> None:
    content = b"".join(pieces) if announced else sent(*pieces)
    response = await client.request(method, "/v1/jobs/x/events", content=content)
    assert response.status_code == 413
    if method != "HEAD":
        assert response.json()["error"]["code"] == "payload_too_large"
    assert app.received == []


async def never() -> Message:
    raise AssertionError("the body was read")


def chunked(path: str) -> Scope:
    headers = [(b"host", b"localhost"), (b"transfer-encoding", b"chunked")]
    return {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers}


@pytest.mark.parametrize("path", HEALTH)
async def test_nobody_waits_for_the_body_of_a_health_check(app: App, path: str) -> None:
    """Health checks are not counted, so a client could take every slot with bodies that never end."""
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await Bodiless(app, TIMEOUT_S)(chunked(path), never, send)
    assert messages[0]["status"] == 413


async def test_nobody_waits_for_the_body_of_a_stranger(app: App, tmp_path: Path) -> None:
    given = {"state_dir": str(tmp_path), "authentication": "required"}
    edge = guard(app, ServiceConfig.model_validate(SIMULATED | given))
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    await edge(chunked("/v1/jobs/x/events"), never, send)
    assert messages[0]["status"] == 401


async def test_it_is_refused_at_its_head() -> None:
    """A gigabyte is announced, and none of it is read."""
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        messages.append(message)

    headers = [(b"content-length", str(1 << 30).encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/jobs/x/events", "headers": headers}
    await Bodiless(App(), TIMEOUT_S)(scope, receive, send)
    assert messages[0]["status"] == 413


@pytest.mark.parametrize("announced", [True, False])
async def test_a_small_one_is_released(client: httpx.AsyncClient, app: App, announced: bool) -> None:
    response = await client.request("GET", "/", content=b"{}" if announced else sent(b"{", b"}"))
    assert response.status_code == 200
    assert app.received[0]["type"] == "http.request"


async def test_other_methods_are_for_their_routes(client: httpx.AsyncClient) -> None:
    assert (await client.post("/", content=b"a" * 100_000)).status_code == 200


async def test_one_that_dawdles_is_refused(app: App) -> None:
    messages: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"transfer-encoding", b"chunked")]}
    await Bodiless(app, TIMEOUT_S)(scope, receive, send)
    assert messages[0]["status"] == 408
