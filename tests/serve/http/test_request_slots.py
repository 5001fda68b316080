from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from serve.http.request_slots import RequestSlots, give_back, hold


class Held:
    """An application whose requests last until `let_go` is set."""

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.under_way: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.under_way.append(scope)
        await self.let_go.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Edge:
    """Sends requests through the middleware, and keeps the responses."""

    def __init__(self, most: int) -> None:
        self.app = Held()
        self.slots = RequestSlots(self.app, most, lambda scope: scope["path"] == "/static/x")
        self.tasks: list[asyncio.Task[list[Message]]] = []

    def send(self, path: str = "/v1/scenes", tenant: str = "") -> asyncio.Task[list[Message]]:
        scope: Scope = {"type": "http", "method": "GET", "path": path, "headers": [], "state": {}}
        scope["state"]["tenant"] = tenant
        self.tasks.append(asyncio.ensure_future(self._request(scope)))
        return self.tasks[-1]

    async def _request(self, scope: Scope) -> list[Message]:
        reported: list[Message] = []

        async def send(message: Any) -> None:
            reported.append(message)

        async def receive() -> Any:
            raise AssertionError("the body must not be read")

        await self.slots(scope, receive, send)
        return reported

    async def refused(self, **requested: str) -> bool:
        """Return whether one more request is answered immediately with 429."""
        task = self.send(**requested)
        for _ in range(5):
            await asyncio.sleep(0)
        if not task.done():
            return False
        start = task.result()[0]
        assert start["status"] == 429
        assert int(dict(start["headers"])[b"retry-after"]) >= 1
        return True

    async def end(self) -> None:
        self.app.let_go.set()
        await asyncio.gather(*self.tasks)


async def test_work_is_refused_and_health_is_not() -> None:
    edge = Edge(3)
    assert [await edge.refused() for _ in range(5)] == [False, False, False, True, True]
    for path in ("/healthz", "/readyz"):
        assert not any([await edge.refused(path=path) for _ in range(50)])
    assert await edge.refused(path="/healthz/x"), "only the exact paths"
    await edge.end()
    edge.app.let_go.clear()
    assert not await edge.refused(), "the slots of ended requests are free"
    await edge.end()


async def test_a_tenant_leaves_slots_to_others() -> None:
    edge = Edge(20)
    for _ in range(40):
        await edge.refused(tenant="greedy")
    assert len(edge.app.under_way) == 16
    assert await edge.refused(tenant="greedy")
    assert not await edge.refused(tenant="other")
    await edge.end()


async def test_what_is_public_leaves_slots_to_others() -> None:
    edge = Edge(20)
    for _ in range(40):
        await edge.refused(path="/static/x")
    assert len(edge.app.under_way) == 16
    assert await edge.refused(path="/static/x")
    assert not await edge.refused(), "requests without a tenant are admitted"
    assert not await edge.refused(tenant="one")
    await edge.end()


async def test_nobody_is_no_tenant() -> None:
    edge = Edge(20)
    assert [await edge.refused() for _ in range(21)] == [False] * 20 + [True]
    await edge.end()


async def test_a_stream_gives_its_slot_back_once() -> None:
    edge = Edge(2)
    assert not await edge.refused()
    assert not await edge.refused()
    first = edge.app.under_way[0]
    for _ in range(2):
        give_back(first)
    assert not await edge.refused()
    assert await edge.refused(), "giving it back twice frees one slot"
    await edge.end()


async def test_a_request_that_fails_or_is_cancelled_gives_its_slot_back() -> None:
    edge = Edge(1)

    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise RuntimeError("a bug")

    app, edge.slots._app = edge.slots._app, failing
    with pytest.raises(RuntimeError):
        await edge.send()
    edge.tasks.clear()
    edge.slots._app = app
    assert not await edge.refused()
    edge.tasks.pop().cancel()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not await edge.refused()
    await edge.end()


def test_what_others_hold_is_given_back_too() -> None:
    scope: Scope = {"type": "http"}
    given: list[int] = []
    for number in range(3):
        held = ExitStack()
        held.callback(given.append, number)
        hold(scope, held)
    give_back(scope)
    give_back(scope)
    assert given == [0, 1, 2]
    give_back({"type": "http"})
