"""A scene's request with an Idempotency-Key is painted once, however often and to whichever edge it goes."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.body import digest_of
from serve.http.rendering import render
from serve.ingress import build_http
from serve.pictures.repeated_requests import Answered, Mine, OtherBody, RepeatedRequests, UnderWay
from serve.routes.repeats import _claim, _parsed
from serve.state.open_state import open_state
from serve.state.picture_tables import results
from tests.support.local_service import served
from tests.support.polling import eventually
from tests.support.scene_requests import SCENE, error_of


class Edges:
    """Two edge replicas over one state."""

    def __init__(self, config: ServiceConfig, graph: Graph, folder: Path, **settings: Any) -> None:
        self.config = config.model_copy(update={"state_dir": str(folder)} | settings)
        self.clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(served(build_http(self.config, graph))),
                base_url="http://localhost",
            )
            for _ in range(2)
        ]

    async def send(self, key: str, edge: int = 0, body: Any = SCENE, **headers: str) -> httpx.Response:
        return await self.clients[edge].post(
            "/v1/scenes", json=body, headers={"Idempotency-Key": key, **headers}
        )


@pytest.fixture
def edges(config: ServiceConfig, graph: Graph, tmp_path: Path) -> Edges:
    return Edges(config, graph, tmp_path)


async def test_the_same_request_is_answered_alike_in_every_form(edges: Edges) -> None:
    first = await edges.send("a", Accept="application/json")
    assert first.status_code == 200, first.text
    assert "idempotent-replayed" not in first.headers
    again = await edges.send("a", 1, Accept="application/json")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true")
    assert again.json() == first.json()
    assert again.headers["x-seed"] == first.headers["x-seed"]
    picture = await edges.send("a", 1, Accept="image/*")
    assert picture.headers["content-type"] == "image/jpeg"
    assert picture.content == base64.b64decode(first.json()["image"]["b64_json"])
    events = await edges.send("a", 1, Accept="text/event-stream")
    assert events.text.startswith("event: scene.completed\n")
    assert json.loads(events.text.rstrip().rpartition("data: ")[2]) == first.json()


async def test_a_stream_is_an_answer_too(edges: Edges) -> None:
    events = await edges.send("a", Accept="text/event-stream")
    assert "layer.progress" in events.text
    again = await edges.send("a", 1, Accept="application/json")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == json.loads(events.text.rstrip().rpartition("data: ")[2])


async def test_a_repeated_answer_has_links_of_its_own(edges: Edges) -> None:
    body = {**SCENE, "layers": True, "output": {"as": "url"}}
    first = (await edges.send("a", body=body)).json()
    again = (await edges.send("a", 1, body=body)).json()
    for part in ("image", "layers"):
        assert first[part] != again[part]
    for answer in (first, again):
        for picture in (answer["image"], *answer["layers"].values()):
            assert "b64_json" not in picture
            path = picture["url"].removeprefix("http://localhost")
            assert (await edges.clients[1].get(path)).status_code == 200


async def test_at_once_it_is_painted_once(edges: Edges) -> None:
    answers = await asyncio.gather(*(edges.send("a", n % 2, Accept="application/json") for n in range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1


async def test_another_body_or_another_way_to_write_it(edges: Edges) -> None:
    assert (await edges.send("a")).status_code == 200
    refused = await edges.send("a", body={**SCENE, "seed": 1})
    assert (refused.status_code, error_of(refused)["param"]) == (422, "Idempotency-Key")
    same = dict(reversed(SCENE.items()))
    assert (await edges.send("a", body=same)).headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in (await edges.send("b")).headers


async def test_what_is_no_key(edges: Edges) -> None:
    for path in ("/v1/scenes", "/v1/characters", "/v1/backgrounds", "/v1/images/generations", "/v1/jobs"):
        for key in ("", "a b", "\u00e9", "x" * 256):
            headers = [(b"idempotency-key", key.encode())]
            refused = await edges.clients[0].post(path, json={}, headers=headers)
            assert (refused.status_code, error_of(refused)["param"]) == (422, "Idempotency-Key"), (path, key)


async def test_a_refused_or_failed_request_may_be_sent_again(
    config: ServiceConfig, graph: Graph, particular: Graph, tmp_path: Path
) -> None:
    failing = Edges(config, particular, tmp_path)
    for accept in ("application/json", "text/event-stream"):
        failed = await failing.send("a", Accept=accept)
        assert "cutout_failed" in failed.text
    wrong = {**SCENE, "merge": {"width": 9_999}}
    assert (await failing.send("b", body=wrong)).status_code == 422
    working = Edges(config, graph, tmp_path)
    for key in ("a", "b"):
        painted = await working.send(key)
        assert painted.status_code == 200, painted.text
        assert "idempotent-replayed" not in painted.headers


async def test_tenants_do_not_share_keys(config: ServiceConfig, graph: Graph, tmp_path: Path) -> None:
    edges, keys = Edges(config, graph, tmp_path, authentication="required"), open_keys(tmp_path)
    bearers = [f"Bearer {keys.create(name, ('generate',))[1]}" for name in ("one", "two")]
    for bearer in bearers:
        painted = await edges.send("a", Authorization=bearer)
        assert painted.status_code == 200, painted.text
        assert "idempotent-replayed" not in painted.headers
    again = await edges.send("a", 1, Authorization=bearers[0])
    assert again.headers["idempotent-replayed"] == "true"


async def test_an_answer_costs_once(config: ServiceConfig, graph: Graph, tmp_path: Path) -> None:
    edges, keys = Edges(config, graph, tmp_path, authentication="required"), open_keys(tmp_path)
    _, key = keys.create("one", ("generate",), None, None, rate=1e-9, burst=0.03)
    for _ in range(5):
        answer = await edges.send("a", Authorization=f"Bearer {key}")
        assert answer.status_code == 200, answer.text
    assert (await edges.send("b", Authorization=f"Bearer {key}")).status_code == 429


async def test_an_answer_that_is_lost_is_gone(edges: Edges) -> None:
    await edges.send("a")
    engine = open_state(edges.config.state_folder, edges.config.jobs)
    with engine.begin() as connection:
        connection.execute(update(results).values(expires_at=1.0))
    refused = await edges.send("a", 1)
    assert (refused.status_code, error_of(refused)["code"]) == (410, "gone")


async def test_one_that_waits_too_long_is_refused(edges: Edges) -> None:
    rows = RepeatedRequests(open_state(edges.config.state_folder, edges.config.jobs))
    body = {**SCENE, "deadline_s": 0.3}
    rows.claim("", "a", digest_of(body), 60.0)
    refused = await edges.send("a", body=body)
    assert (refused.status_code, error_of(refused)["code"]) == (504, "deadline_exceeded")


async def test_one_that_leaves_while_it_waits_leaves_nothing_behind(edges: Edges) -> None:
    rows = RepeatedRequests(open_state(edges.config.state_folder, edges.config.jobs))
    held = rows.claim("", "a", digest_of(SCENE), 60.0)
    assert isinstance(held, Mine)
    waiting = asyncio.ensure_future(edges.send("a"))
    await asyncio.wait({waiting}, timeout=0.05)
    waiting.cancel()
    await asyncio.wait({waiting})
    rows.abandon("", "a", held.lease)
    assert (await edges.send("a")).status_code == 200


async def test_a_turn_that_is_taken_as_its_caller_leaves_is_the_nexts(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = RepeatedRequests(open_state(edges.config.state_folder, edges.config.jobs))
    claim, taken, go = rows.claim, threading.Event(), threading.Event()

    def slow(*given: Any) -> Any:
        taken.set()
        go.wait(60)
        return claim(*given)

    monkeypatch.setattr(rows, "claim", slow)
    claiming = asyncio.ensure_future(_claim(rows, "o", "k", "h", 60.0))
    await eventually(taken.is_set)
    claiming.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.wait({claiming})
    assert claiming.cancelled()
    assert isinstance(claim("o", "k", "h", 60.0), Mine)


async def test_who_waits_only_reads(edges: Edges, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = RepeatedRequests(open_state(edges.config.state_folder, edges.config.jobs))
    body = {**SCENE, "deadline_s": 0.9}
    rows.claim("", "a", digest_of(body), 60.0)
    claim, claims = RepeatedRequests.claim, list[str]()

    def counted(self: RepeatedRequests, owner: str, key: str, *given: Any) -> Any:
        claims.append(key)
        return claim(self, owner, key, *given)

    monkeypatch.setattr("serve.routes.repeats.POLL_S", 0.01)
    monkeypatch.setattr(RepeatedRequests, "claim", counted)
    assert (await edges.send("a", body=body)).status_code == 504
    assert len(claims) == 1


async def test_a_kept_answer_is_counted_while_it_is_sent(
    edges: Edges, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await edges.send("a", Accept="application/json")
    held: list[int] = []
    monkeypatch.setattr("serve.routes.repeats.hold_response", lambda _, size: held.append(size))
    again = await edges.send("a", Accept="application/json")
    assert again.status_code == 200
    assert held == [len(first.content)]


def test_a_large_answer_is_read_as_it_was(edges: Edges) -> None:
    large = {"format": "png", "width": 1, "height": 1, "b64_json": "A" * 1_000_000}
    body = {"image": large, "layers": {"mask": {**large, "b64_json": "AAAA"}, "characters": [large]}}
    assert _parsed(render(body)) == body


def test_leases(edges: Edges) -> None:
    rows = RepeatedRequests(open_state(edges.config.state_folder, edges.config.jobs))
    first = rows.claim("o", "k", "h", 10.0, 100.0)
    assert isinstance(first, Mine)
    assert rows.claim("o", "k", "h", 10.0, 105.0) == UnderWay()
    second = rows.claim("o", "k", "h", 10.0, 111.0)
    assert isinstance(second, Mine), "the lease of a dead process goes to the next"
    rows.answer("o", "k", first.lease, "r1", {})
    assert rows.claim("o", "k", "h", 10.0, 112.0) == UnderWay()
    rows.answer("o", "k", second.lease, "r2", {"X-Seed": "1"})
    rows.abandon("o", "k", second.lease)
    assert rows.claim("o", "k", "h", 10.0, 113.0) == Answered("r2", {"X-Seed": "1"})
    with pytest.raises(OtherBody):
        rows.claim("o", "k", "other", 10.0, 113.0)
    assert isinstance(rows.claim("o", "k", "other", 10.0, 111.0 + 86_400.0), Mine)
