from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Request

from serve.api.resolve import admit_scene
from serve.api.scene_schema import SceneRequest
from serve.config.service_config import ServiceConfig
from serve.graph.scene import render
from serve.http.body import abandon_with_client
from serve.http.error_responses import ClientGone
from tests.support.fake_handles import NEVER, Fakes


class Client:
    """Sends an empty body, and hangs up once `left` is set."""

    def __init__(self) -> None:
        self.left = asyncio.Event()
        self.request = Request({"type": "http", "headers": []}, self._receive)
        self._sent = False

    async def _receive(self) -> dict[str, Any]:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}


async def test_the_result_of_the_work() -> None:
    async def action() -> str:
        await asyncio.sleep(0)
        return "done"

    assert await abandon_with_client(Client().request, action()) == "done"


async def test_the_fault_of_the_work() -> None:
    async def action() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await abandon_with_client(Client().request, action())


async def test_a_client_that_hangs_up_cancels_both_branches() -> None:
    fakes, client = Fakes(character=(NEVER,), background=(NEVER,)), Client()
    scene = SceneRequest.model_validate({"character": "a", "background": "b"})
    action = render(fakes.graph, admit_scene(scene, ServiceConfig(), "id", None))
    waiting = asyncio.create_task(abandon_with_client(client.request, action))
    while not (fakes.character.responses and fakes.background.responses):
        await asyncio.sleep(0)
    client.left.set()
    with pytest.raises(ClientGone):
        await waiting
    assert fakes.character.responses[0].cancelled
    assert fakes.background.responses[0].cancelled
    assert fakes.merge.calls == []


async def test_cancelling_the_wait_cancels_the_work() -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def action() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    waiting = asyncio.create_task(abandon_with_client(Client().request, action()))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended.is_set()
