from __future__ import annotations

from typing import Any

import httpx
import pytest

from deployments.errors import NotReady
from deployments.messages import Readiness
from serve import readiness
from serve.config import ServiceConfig
from serve.ingress import build_http
from serve.readiness import unready_reasons
from serve.scene import Graph

from .test_scene import NEVER, Handle, Method

READY = Readiness(True, "", "storybook", "diffusers")


def graph_of(character: Any, background: Any = READY) -> Graph:
    handles: list[Any] = [Handle(readiness=Method(outcome)) for outcome in (character, background)]
    return Graph(handles[0], handles[1], handles[0])


async def test_all_is_ready() -> None:
    assert await unready_reasons(graph_of(READY)) == []


async def test_every_reason_is_told() -> None:
    missing = Readiness(False, "unet is cut short", "storybook", "diffusers")
    graph = graph_of(missing, RuntimeError("/secret"))
    assert await unready_reasons(graph) == [
        "character: unet is cut short",
        "background: its replica is restarting",
    ]


async def test_a_replica_that_does_not_answer_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.05)
    graph: Any = graph_of(NEVER)
    assert await unready_reasons(graph) == ["character: no replica has loaded its model yet"]
    assert graph.character.readiness.responses[0].cancelled


async def test_a_handle_that_cannot_even_be_asked() -> None:
    graph: Any = graph_of(READY)
    graph.character.readiness = None
    assert await unready_reasons(graph) == ["character: its replica is restarting"]


async def test_ready_over_http(client: httpx.AsyncClient) -> None:
    answer = await client.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready"})


async def test_a_missing_model_over_http(config: ServiceConfig) -> None:
    reason = "storybook/model_index.json is missing or cannot be read"
    torn = Handle(
        readiness=Method(Readiness(False, reason, "storybook", "diffusers")), paint=Method(NotReady(reason))
    )
    graph: Any = Graph(torn, torn, torn)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(build_http(config, graph))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        probe = await client.get("/readyz")
        asked = await client.post("/v1/characters", json={"prompt": "a knight"})
        alive = await client.get("/healthz")
    assert alive.status_code == 200
    assert probe.json()["error"]["message"] == f"character: {reason}; background: {reason}"
    assert asked.json()["error"]["message"] == reason
    for answer in (probe, asked):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert int(answer.headers["retry-after"]) >= 1
