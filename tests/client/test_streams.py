"""Read streams of events as they arrive, with both clients."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from scenewright import (
    AsyncScenewright,
    GenerationFailed,
    JobEvent,
    LayerDone,
    NotScenewright,
    Overloaded,
    Progress,
    Queued,
    Retries,
    Scene,
    ScenePreview,
    Scenewright,
    ServerUnreachable,
)
from tests.support.client_answers import RESPONSE

PREVIEW = base64.b64encode(b"small").decode()
REPORTED_COLUMNS: list[tuple[str, dict[str, Any]]] = [
    ("layer.queued", {"layer": "character", "ahead": 1}),
    ("layer.progress", {"layer": "character", "step": 1, "steps": 2}),
    ("layer.queued", {"layer": "character", "index": 1, "ahead": 2}),
    ("layer.progress", {"layer": "character", "index": 1, "step": 1, "steps": 2}),
    ("layer.completed", {"layer": "character", "index": 1, "seed": 43, "degraded": []}),
    ("layer.progress", {"layer": "character", "step": 2, "steps": 2, "preview": PREVIEW}),
    ("layer.completed", {"layer": "character", "seed": 42, "degraded": []}),
    ("something.new", {}),
    ("scene.preview", {"preview": PREVIEW}),
    ("scene.completed", RESPONSE),
]
READ = [
    Queued("character", 1),
    Progress("character", 1, 2),
    Queued("character", 2, 1),
    Progress("character", 1, 2, index=1),
    LayerDone("character", 43, [], 1),
    Progress("character", 2, 2, b"small"),
    LayerDone("character", 42, []),
    ScenePreview(b"small"),
]


def encoded(*reported: tuple[str, dict[str, Any]]) -> bytes:
    lines = [f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in reported]
    return ("\n\n: still at it\n\n" + "".join(lines)).encode()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response in pieces of seven bytes, which records whether its reader closed it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.closed = data, False

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self.data), 7):
            yield self.data[at : at + 7]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def answering(pieces: Pieces, seen: list[httpx.Request] | None = None) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        return httpx.Response(200, stream=pieces, headers={"X-Backend": "simulated"})

    return httpx.MockTransport(answer)


def test_events_are_read_as_they_come() -> None:
    seen: list[httpx.Request] = []
    client = Scenewright("http://scenes:1", transport=answering(Pieces(encoded(*REPORTED_COLUMNS)), seen))
    *events, scene = client.scene_events("a", "b", previews=5, seed=1)
    assert events == READ
    assert isinstance(scene, Scene) and scene.seeds == {"character": 42, "background": 123}
    assert scene.backend == "simulated"
    assert seen[0].url.params["previews"] == "5"
    assert seen[0].headers["accept"] == "text/event-stream"
    assert json.loads(seen[0].content) == {"character": "a", "background": "b", "seed": 1}


async def test_events_are_read_as_they_come_with_await() -> None:
    transport = answering(Pieces(encoded(*REPORTED_COLUMNS)))
    async with AsyncScenewright("http://scenes:1", transport=transport) as client:
        events = [event async for event in client.scene_events("a", "b")]
    assert events[:-1] == READ
    assert isinstance(events[-1], Scene)


async def test_the_plain_calls_with_await() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/readyz":
            return httpx.Response(503, json={"error": {"code": "not_ready", "message": "loading"}})
        return httpx.Response(200, json=RESPONSE)

    async with AsyncScenewright("http://scenes:1", transport=httpx.MockTransport(answer)) as client:
        assert (await client.scene("a", "b")).id == "abc"
        assert await client.unready_reason() == "loading"
        assert not await client.ready()


def test_a_reader_that_leaves_hangs_up() -> None:
    pieces = Pieces(encoded(*REPORTED_COLUMNS))
    events = Scenewright("http://scenes:1", transport=answering(pieces)).scene_events("a", "b")
    next(events)
    assert not pieces.closed
    events.close()
    assert pieces.closed


def test_a_fault_on_the_way_is_raised_as_it_would_have_been() -> None:
    error = {"error": {"code": "generation_failed", "message": "no", "request_id": "r"}}
    transport = answering(Pieces(encoded(REPORTED_COLUMNS[0], ("error", error))))
    with pytest.raises(GenerationFailed, match="no"):
        list(Scenewright("http://scenes:1", transport=transport).scene_events("a", "b"))


def test_a_stream_that_breaks_off_is_not_taken_for_a_whole_one() -> None:
    transport = answering(Pieces(encoded(*REPORTED_COLUMNS[:3])))
    with pytest.raises(ServerUnreachable, match="stream ended before the work was done"):
        list(Scenewright("http://scenes:1", transport=transport).scene_events("a", "b"))


def test_a_strange_stream() -> None:
    transport = answering(Pieces(encoded(("layer.progress", {"step": 1}))))
    with pytest.raises(NotScenewright):
        list(Scenewright("http://scenes:1", transport=transport).scene_events("a", "b"))


def test_a_refusal_before_the_stream_is_an_ordinary_one() -> None:
    error = {"error": {"code": "overloaded", "message": "busy"}}
    transport = httpx.MockTransport(lambda request: httpx.Response(429, json=error))
    client = Scenewright("http://scenes:1", transport=transport, retries=Retries(most=0))
    with pytest.raises(Overloaded):
        next(client.scene_events("a", "b"))


def test_a_jobs_events() -> None:
    reported = [("scene.ended", {"index": 0}), ("job.ended", {"status": "succeeded"})]
    client = Scenewright("http://scenes:1", transport=answering(Pieces(encoded(*reported))))
    assert list(client.job_events("j/1")) == [JobEvent(*each) for each in reported]


def test_a_merge_sends_files() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=RESPONSE | {"seeds": {"character": None, "background": None}})

    client = Scenewright("http://scenes:1", transport=httpx.MockTransport(answer))
    scene = client.merge(b"figure", b"place", merge={"position": "left"})
    assert scene.seeds == {}
    body = seen[0].read()
    assert b"figure" in body and b"place" in body and b'{"merge":{"position":"left"}}' in body


def test_a_merge_of_several_characters_names_what_it_got_by_index() -> None:
    seen: list[httpx.Request] = []
    picture = RESPONSE["image"]
    layers = {"characters": [picture] * 2, "background": picture, "masks": [picture] * 2}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        seeds = {"characters": [1, 2], "background": 3}
        return httpx.Response(200, json=RESPONSE | {"seeds": seeds, "layers": layers})

    client = Scenewright("http://scenes:1", transport=httpx.MockTransport(answer))
    scene = client.merge([b"knight", b"dragon"], b"place", figures=[{}, {"depth": 1}])
    assert scene.seeds == {"character-0": 1, "character-1": 2, "background": 3}
    assert list(scene.layers) == ["character-0", "character-1", "background", "mask-0", "mask-1"]
    body = seen[0].read()
    assert body.count(b'; name="character"') == 2
    assert b"knight" in body and b"dragon" in body and b'{"figures":[{},{"depth":1}]}' in body
