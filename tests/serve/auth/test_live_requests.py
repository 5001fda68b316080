"""A key's waiting and streaming requests end with the key, and no others do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.auth.browser_tokens import TokenStore
from serve.auth.key_store import KeyStore, open_keys
from serve.auth.middleware import AuthMiddleware
from tests.support.polling import eventually

START = {"type": "http.response.start", "status": 200}


class Held:
    """An application that begins a response if it has a `kind`, and waits for `on` to finish it."""

    def __init__(self, kind: bytes | None) -> None:
        self._kind = kind
        self.reached, self.on, self.stopped = asyncio.Event(), asyncio.Event(), False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self._kind:
                await send({**START, "headers": [(b"content-type", self._kind)]})
            self.reached.set()
            await self.on.wait()
            if not self._kind:
                await send({**START, "headers": []})
            await send({"type": "http.response.body", "body": b"all"})
        except asyncio.CancelledError:
            self.stopped = True
            raise


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return open_keys(tmp_path)


@pytest.fixture
def requested(store: KeyStore) -> Callable[..., Any]:
    async def call(app: Any, whole: str, method: str = "GET") -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError

        headers = [(b"authorization", f"Bearer {whole}".encode())]
        scope = {"type": "http", "path": "/v1/models", "method": method, "headers": headers}
        await app(scope, receive, send)
        return sent

    return call


def body(sent: list[Message]) -> str:
    return b"".join(each.get("body", b"") for each in sent).decode()


async def revoked_meanwhile(
    app: AuthMiddleware, held: Held, store: KeyStore, requested: Callable[..., Any]
) -> list[Message]:
    """Return what is sent to a request whose key is revoked while the application handles it."""
    key, whole = store.create("x", ("generate",))
    sending = asyncio.create_task(requested(app, whole))
    await held.reached.wait()
    store.revoke(key.id)
    sent: list[Message] = await asyncio.wait_for(sending, 20)
    return sent


async def test_a_stream_ends_with_the_reason(store: KeyStore, requested: Callable[..., Any]) -> None:
    held = Held(b"text/event-stream; charset=utf-8")
    app = AuthMiddleware(held, lambda: store)
    sent = await revoked_meanwhile(app, held, store, requested)
    assert held.stopped
    name, data = body(sent).strip().split("\n")
    assert name == "event: error"
    error = json.loads(data.removeprefix("data: "))["error"]
    assert (error["code"], error["message"]) == ("unauthenticated", "this key was revoked")
    assert not sent[-1].get("more_body", False)


async def test_what_waits_is_answered_401(store: KeyStore, requested: Callable[..., Any]) -> None:
    held = Held(None)
    app = AuthMiddleware(held, lambda: store)
    sent = await revoked_meanwhile(app, held, store, requested)
    assert (sent[0]["status"], held.stopped) == (401, True)
    assert json.loads(body(sent))["error"]["code"] == "unauthenticated"


async def test_an_answer_that_is_being_sent_is_sent_whole(
    store: KeyStore, requested: Callable[..., Any]
) -> None:
    """The response to another key of the same tenant is not affected either."""
    picture, other, canary = Held(b"image/png"), Held(None), Held(None)
    key, whole = store.create("x", ("generate",))
    _, second = store.create("y", ("generate",), "x")
    tenants = AuthMiddleware(picture, lambda: store)
    app: Any = tenants
    sending = asyncio.create_task(requested(app, whole))
    await picture.reached.wait()
    tenants._app = other
    waiting = asyncio.create_task(requested(app, second))
    await other.reached.wait()
    tenants._app = canary
    dying = asyncio.create_task(requested(app, whole))
    await canary.reached.wait()
    store.revoke(key.id)
    assert (await asyncio.wait_for(dying, 20))[0]["status"] == 401
    for each in (picture, other):
        each.on.set()
    for each in (sending, waiting):
        sent = await asyncio.wait_for(each, 20)
        assert (sent[0]["status"], body(sent)) == (200, "all")


@pytest.mark.parametrize(("method", "ends"), [("GET", True), ("POST", False)])
async def test_what_only_reads_ends_with_its_token(
    store: KeyStore,
    requested: Callable[..., Any],
    method: str,
    ends: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = Held(b"text/event-stream")
    app = AuthMiddleware(held, lambda: store)
    app._live._every_s = 0.01
    key, _ = store.create("x", ("generate",))
    _, whole = TokenStore(store.engine).mint(key, ("generate",), 600.0)
    sending = asyncio.create_task(requested(app, whole, method))
    await held.reached.wait()
    looks = 0

    def later() -> float:
        nonlocal looks
        looks += 1
        return 1e12

    monkeypatch.setattr(app._keys, "now", later)
    if not ends:
        await eventually(lambda: looks > 5)
        held.on.set()
    said = body(await asyncio.wait_for(sending, 20))
    assert held.stopped is ends
    assert ("this token has expired" in said) is ends, said


async def test_a_caller_that_leaves_is_no_ended_key(store: KeyStore, requested: Callable[..., Any]) -> None:
    held = Held(None)
    _, whole = store.create("x", ("generate",))
    sending = asyncio.create_task(requested(AuthMiddleware(held, lambda: store), whole))
    await held.reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert held.stopped
