"""POST /v1/scenes and the layers' routes, answered as events."""

from __future__ import annotations

import asyncio
import base64
from io import BytesIO
from typing import Any

import httpx
import pytest
from PIL import Image

from deployments.background import Background
from deployments.character import Character
from deployments.merger import Merger
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.events import parse_events
from tests.support.local_service import local_handle, served, simulated_config
from tests.support.scene_requests import SCENE, SMALL, error_of

EVENTS = {"Accept": "text/event-stream"}


async def test_a_scene_from_its_first_step_to_its_picture(client: httpx.AsyncClient) -> None:
    steps = {"character": 3, "background": 2}
    scene: dict[str, Any] = {kind: SMALL | {"steps": steps[kind]} for kind in steps}
    requested = scene | {"seed": 5, "merge": {"width": 128, "height": 64}}
    response = await client.post("/v1/scenes", json=requested, headers=EVENTS)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    events = parse_events(response.text)
    for layer, count in steps.items():
        progress = [data for name, data in events if name == "layer.progress" and data["layer"] == layer]
        assert [data["step"] for data in progress] == list(range(1, count + 1))
        assert {data["steps"] for data in progress} == {count}
        assert ("layer.completed", {"layer": layer, "seed": 5, "degraded": []}) in events
    name, body = events[-1]
    assert name == "scene.completed"
    assert body["id"] == response.headers["x-request-id"]
    picture = Image.open(BytesIO(base64.b64decode(body["image"]["b64_json"])))
    assert picture.size == (128, 64)
    whole = await client.post("/v1/scenes", json=requested, headers={"Accept": "application/json"})
    assert whole.json()["image"] == body["image"], "the same picture as without a stream"


@pytest.mark.parametrize("route", ["characters", "backgrounds"])
async def test_one_layer(client: httpx.AsyncClient, route: str) -> None:
    response = await client.post(f"/v1/{route}", json=SMALL | {"steps": 2}, headers=EVENTS)
    events = parse_events(response.text)
    assert [name for name, _ in events] == ["layer.progress"] * 2 + ["layer.completed"]
    assert events[-1][1]["image"]["width"] == 64


async def test_a_layer_that_waits_reports_its_place_and_then_its_steps() -> None:
    graph = one_at_a_time(step_s=0.02)
    transport = httpx.ASGITransport(served(build_http(*graph)))
    steps = 50  # A second: long enough for the second request to arrive while the first is painted.
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        requested = [SMALL | {"steps": steps, "seed": seed} for seed in (1, 2)]
        posts = (client.post("/v1/characters", json=each, headers=EVENTS) for each in requested)
        responses = await asyncio.gather(*posts)
    waited, at_once = sorted((parse_events(each.text) for each in responses), key=len, reverse=True)
    assert waited[:2] == [
        ("layer.queued", {"layer": "character", "ahead": 1}),
        ("layer.queued", {"layer": "character", "ahead": 0}),
    ]
    for events in (waited[2:], at_once):
        assert [name for name, _ in events] == ["layer.progress"] * steps + ["layer.completed"]


def one_at_a_time(step_s: float) -> tuple[ServiceConfig, Graph]:
    """Return a service whose replicas have room for one guided picture."""
    data = simulated_config(step_s).model_dump()
    for kind in ("character", "background"):
        data[kind]["generator"]["generation"]["max_rows"] = 2
    config = ServiceConfig.model_validate(data)
    return config, Graph(
        local_handle(Character, config.character.generator),
        local_handle(Background, config.background.generator),
        local_handle(Merger),
    )


async def test_what_is_invalid_keeps_its_status(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/scenes", json={"character": "a"}, headers=EVENTS)
    assert (response.status_code, error_of(response)["param"]) == (422, "background")
    late = await client.post("/v1/scenes", json=SCENE | {"deadline_s": 0.0001}, headers=EVENTS)
    assert (late.status_code, error_of(late)["code"]) == (504, "deadline_exceeded")


async def test_a_fault_on_the_way_is_the_last_event(config: ServiceConfig, particular: Graph) -> None:
    transport = httpx.ASGITransport(served(build_http(config, particular)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.post("/v1/scenes", json=SCENE, headers=EVENTS)
    name, data = parse_events(response.text)[-1]
    assert (response.status_code, name, data["error"]["code"]) == (200, "error", "cutout_failed")


@pytest.mark.parametrize("query", ["previews=-1", "previews=21", "previews=x", "preview=3"])
async def test_a_wrong_query_is_refused_by_name(client: httpx.AsyncClient, query: str) -> None:
    response = await client.post(f"/v1/scenes?{query}", json=SCENE, headers=EVENTS)
    assert (response.status_code, error_of(response)["param"]) == (422, query.partition("=")[0])


async def test_json_named_first_wins(client: httpx.AsyncClient) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    response = await client.post("/v1/scenes", json=SCENE, headers=headers)
    assert response.json()["image"]
