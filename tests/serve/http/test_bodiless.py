"""A large body is refused at its head where no route reads one, however it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.http.bodiless import MAX_BYTES, METHODS, Bodiless

TIMEOUT_S = 0.2


class App:
    """Notes what it receives."""

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
    answer = await client.request(method, "/v1/jobs/x/events", content=content)
    assert answer.status_code == 413
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "payload_too_large"
    assert app.received == []


async def test_it_is_refused_at_its_head() -> None:
    """A gigabyte is announced, and not a byte of it is read."""
    messages: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was asked for")

    async def send(message: Message) -> None:
        messages.append(message)

    headers = [(b"content-length", str(1 << 30).encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/jobs/x/events", "headers": headers}
    await Bodiless(App(), TIMEOUT_S)(scope, receive, send)
    assert messages[0]["status"] == 413


@pytest.mark.parametrize("announced", [True, False])
async def test_a_small_one_is_let_go(client: httpx.AsyncClient, app: App, announced: bool) -> None:
    answer = await client.request("GET", "/", content=b"{}" if announced else sent(b"{", b"}"))
    assert answer.status_code == 200
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
