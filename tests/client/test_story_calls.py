"""`client.stories` of both clients."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from scenewright import AsyncScenewright, NotSent, Retries, Scenewright, Story

STORY = {"id": "0" * 32, "status": "succeeded", "total": 1, "pages": [{"index": 0, "status": "succeeded"}]}
BOOK = {"content": b"%PDF", "headers": {"Content-Type": "application/pdf"}}


def answer(request: httpx.Request) -> httpx.Response:
    path = request.url.path
    if path.endswith(".pdf"):
        assert request.url.query == b"language=de"
        return httpx.Response(200, **BOOK)  # type: ignore[arg-type]
    if path.endswith("/pages/0") and request.method == "GET":
        return httpx.Response(200, content=b"jpeg", headers={"Content-Type": "image/jpeg"})
    if path.endswith("/pages/0"):
        return httpx.Response(200, json={"index": 0, "status": "succeeded", **json.loads(request.content)})
    if path.endswith("/repaint"):
        assert json.loads(request.content) == {"seed": 3}
        return httpx.Response(202, json=STORY)
    if request.method == "POST":
        assert request.headers["idempotency-key"] == "k"
        assert json.loads(request.content) == {"title": "A", "pages": []}
        return httpx.Response(202, json=STORY)
    return httpx.Response(200, json={"data": [STORY], "next": None} if path == "/v1/stories" else STORY)


def test_the_synchronous_client() -> None:
    transport = httpx.MockTransport(answer)
    with Scenewright("http://scenes:1", retries=Retries(most=0), transport=transport) as service:
        stories = service.stories
        story = stories.create("k", title="A", pages=[])
        assert isinstance(story, Story) and story.id == story["id"] == "0" * 32
        assert stories.get(story.id) == stories.wait(story.id) == STORY
        assert stories.list()["data"] == [STORY]
        assert stories.picture(story.id, 0) == (b"jpeg", "jpeg")
        assert stories.repaint(story.id, 0, seed=3)["status"] == "succeeded"
        assert stories.change_words(story.id, 0, text="B")["text"] == "B"
        assert stories.book(story.id, "pdf", "de") == b"%PDF"
        assert stories.cancel(story.id)["id"] == story.id
        for wrong in ("", "..", None):
            with pytest.raises(NotSent, match="story"):
                stories.get(wrong)  # type: ignore[arg-type]
        with pytest.raises(NotSent, match="kind"):
            stories.book(story.id, "doc")  # type: ignore[arg-type]


def test_the_asynchronous_client() -> None:
    async def use() -> None:
        transport = httpx.MockTransport(answer)
        async with AsyncScenewright(
            "http://scenes:1", retries=Retries(most=0), transport=transport
        ) as service:
            stories = service.stories
            story = await stories.create("k", title="A", pages=[])
            assert await stories.get(story.id) == await stories.wait(story.id) == STORY
            assert (await stories.list())["data"] == [STORY]
            assert await stories.picture(story.id, 0) == (b"jpeg", "jpeg")
            assert (await stories.repaint(story.id, 0, seed=3))["status"] == "succeeded"
            assert (await stories.change_words(story.id, 0, text="B"))["text"] == "B"
            assert await stories.book(story.id, "pdf", "de") == b"%PDF"
            assert (await stories.cancel(story.id))["id"] == story.id

    asyncio.run(use())
