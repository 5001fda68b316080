"""Metrics of responses: what they count, and that callers cannot create series."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from deployments.imaging.safety_check import SafetyConfig
from serve.auth.key_store import open_keys
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http import http_telemetry
from serve.ingress import build_http
from serve.safety.text_check import text_check_of
from serve.telemetry import metrics
from tests.support.local_service import served
from tests.support.noted import Noted
from tests.support.scene_requests import SCENE, SMALL

TIMINGS = (
    "character-queue;dur=100.0, character-encode;dur=10.0, character-denoise;dur=2000.0, "
    "character-decode;dur=50.0, background-queue;dur=0.0, background-encode;dur=10.0, "
    "background-denoise;dur=1500.0, background-decode;dur=50.0, merge;dur=40.0, output;dur=9.5"
)


async def scenes(request: Request) -> Response:
    headers = {"Server-Timing": TIMINGS}
    if "degraded" in request.query_params:
        headers["X-Degraded"] = request.query_params["degraded"]
    return PlainTextResponse("", headers=headers)


async def full(request: Request) -> Response:
    return PlainTextResponse("", 429)


def edge() -> TestClient:
    routes = [Route("/v1/scenes", scenes), Route("/v1/jobs/{id}", full), Route("/healthz", scenes)]
    return TestClient(http_telemetry.HttpMetrics(Starlette(routes=routes)))


def counted(config: ServiceConfig, graph: Graph, key: str = "") -> httpx.AsyncClient:
    """Return a client of the whole edge, whose responses are counted."""
    app = served(http_telemetry.HttpMetrics(build_http(config, graph)))
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=headers)


def test_a_scene_s_answer_is_taken_at_its_word(noted: list[Noted]) -> None:
    edge().get("/v1/scenes")
    (recorder,) = noted
    assert recorder.tags(metrics.REQUESTS) == [("/v1/scenes", "200")]
    assert recorder.tags(metrics.LATENCY) == [("/v1/scenes",)]
    assert dict(zip(recorder.tags(metrics.STAGE), recorder.of(metrics.STAGE), strict=True)) == {
        ("merge",): pytest.approx(0.04),
        ("output",): pytest.approx(0.0095),
    }
    assert recorder.of(metrics.BRANCH_SKEW) == pytest.approx([0.6])
    assert recorder.of(metrics.DEGRADED) == []


def test_degraded_and_turned_away(noted: list[Noted]) -> None:
    client = edge()
    client.get("/v1/scenes?degraded=character: reduced, background: cached_guidance")
    client.get("/v1/jobs/secret-id")
    (recorder,) = noted
    assert recorder.tags(metrics.DEGRADED) == [("/v1/scenes",)]
    assert recorder.tags(metrics.REJECTED) == [("429",)]
    assert recorder.tags(metrics.REQUESTS)[-1] == ("/v1/jobs/{id}", "429")


def test_what_gave_up_exactness_as_requested_is_not_counted(noted: list[Noted]) -> None:
    for declared in ("character: cached_guidance, background: cached_guidance", "cached_guidance"):
        edge().get("/v1/scenes", params={"degraded": declared})
    assert [recorder.of(metrics.DEGRADED) for recorder in noted] == [[], []]


def test_no_caller_makes_a_series_of_its_own(noted: list[Noted]) -> None:
    edge().get("/guess/1")
    assert noted[0].tags(metrics.REQUESTS) == [("unknown", "404")]


def test_probes_are_not_counted(noted: list[Noted]) -> None:
    edge().get("/healthz")
    assert noted[0].notes == []


def test_the_skew_of_several_figures_is_from_the_first_layer_to_the_last() -> None:
    timings = {"character-0-denoise": 2.0, "character-0-queue": 0.5, "character-1-denoise": 1.0}
    assert http_telemetry._skew_s(timings | {"background-denoise": 1.5, "merge": 9.0}) == pytest.approx(1.5)
    assert http_telemetry._skew_s({"merge": 9.0, "output": 1.0}) == 0


async def test_refused_content_is_counted_by_its_route(
    noted: list[Noted], config: ServiceConfig, graph: Graph
) -> None:
    safety = SafetyConfig(blocked_words=("blood",))
    checking = replace(graph, text_check=text_check_of(safety))
    client = counted(config.model_copy(update={"safety": safety}), checking)
    bad = SMALL | {"prompt": "a knight full of blood"}
    for path, body in (("/v1/characters", bad), ("/v1/scenes", SCENE | {"background": bad})):
        assert (await client.post(path, json=body)).json()["error"]["code"] == "content_refused"
    assert (await client.post("/v1/characters", json={})).status_code == 422
    assert (await client.post("/v1/characters", json=SMALL)).status_code == 200
    assert noted[0].tags(metrics.CONTENT_REFUSED) == [("/v1/characters",), ("/v1/scenes",)]


@pytest.mark.parametrize(
    ("reason", "limits"),
    [
        ("rate", {"rate": 0.001, "burst": 0.017}),
        ("budget", {"monthly_budget": 0.017}),
        ("concurrent", {"concurrent": 1}),
    ],
)
async def test_what_is_over_a_limit_is_counted_by_which_and_whose(
    noted: list[Noted],
    config: ServiceConfig,
    graph: Graph,
    tmp_path: Path,
    reason: str,
    limits: dict[str, float],
) -> None:
    _, whole = open_keys(tmp_path).create("a", ("generate",), **limits)
    keyed = config.model_copy(update={"state_dir": str(tmp_path), "authentication": "required"})
    client = counted(keyed, graph, whole)
    asked = (client.post("/v1/backgrounds", json=SMALL | {"seed": seed}) for seed in range(6))
    statuses = [answer.status_code for answer in await asyncio.gather(*asked)]
    assert set(statuses) == {200, 429}
    assert noted[0].tags(metrics.RATE_LIMITED) == [(reason, "a")] * statuses.count(429)
