"""Names that Prometheus takes, and answers that become figures."""

from __future__ import annotations

import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from deployments.messages import LayerJob
from serve import metrics, observed_edge, observed_generators
from serve.metrics import EDGE, GENERATOR, Metric, Recorder
from serve.observed_generators import ObservedCharacter

from .conftest import simulated_config

Recorded = list[tuple[str, float, tuple[str, ...]]]


class Noted:
    """A Recorder that keeps what it is told."""

    def __init__(self, allowed: tuple[Metric, ...]) -> None:
        self.allowed = allowed
        self.notes: Recorded = []

    def add(self, metric: Metric, amount: float = 1.0, **tags: str) -> None:
        assert metric in self.allowed
        assert set(tags) == set(metric.tags)
        if amount > 0:
            self.notes.append((metric.name, amount, tuple(tags.values())))

    set = observe = add
    observe_stages = Recorder.observe_stages

    def of(self, metric: Metric) -> list[float]:
        return [value for name, value, _ in self.notes if name == metric.name]

    def tags(self, metric: Metric) -> list[tuple[str, ...]]:
        return [tags for name, _, tags in self.notes if name == metric.name]


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[Noted]:
    made: list[Noted] = []

    def make(allowed: tuple[Metric, ...]) -> Noted:
        made.append(Noted(allowed))
        return made[-1]

    for module in (observed_edge, observed_generators):
        monkeypatch.setattr(module, "Recorder", make)
    return made


@pytest.mark.parametrize("metric", dict.fromkeys(GENERATOR + EDGE), ids=lambda metric: metric.name)
def test_names_say_what_and_in_which_unit(metric: Metric) -> None:
    assert re.fullmatch(r"scenewright_[a-z_]+", metric.name)
    assert not metric.name.endswith("_total")  # Ray adds it to counters.
    assert metric.description.endswith(".")
    assert not set(metric.tags) & set(metrics.SERVE_TAGS)
    if metric.kind == "histogram":
        assert list(metric.boundaries) == sorted(set(metric.boundaries))


def test_ray_takes_every_metric() -> None:
    recorder = Recorder(tuple(dict.fromkeys(GENERATOR + EDGE)))
    recorder.add(metrics.LAYERS, outcome="painted")
    recorder.add(metrics.WASTED_STEPS, 0)  # Ray itself refuses to count nothing.
    recorder.set(metrics.BACKLOG, 0.0)
    recorder.observe_stages({"merge": 0.1})


async def paint(steps: int = 3, guidance: float = 7.5) -> None:
    job = LayerJob("r", "character", "x", steps, guidance, 1, 64, 64, 1e12)
    await ObservedCharacter(simulated_config().character.generator).paint(job)


async def test_a_painted_layer(noted: list[Noted]) -> None:
    await paint()
    (recorder,) = noted
    assert recorder.tags(metrics.LAYERS) == [("painted",)]
    assert recorder.of(metrics.STEPS) == [3]
    assert recorder.of(metrics.WASTED_STEPS) == []
    assert recorder.of(metrics.BATCH_ROWS) == [2, 2, 2]
    assert ("denoise",) in recorder.tags(metrics.STAGE)
    assert recorder.of(metrics.STEP)[0] > 0
    assert recorder.of(metrics.BUSY)[0] > 0
    assert recorder.of(metrics.MEMORY)[0] > 1e6
    assert recorder.of(metrics.MODEL_LOAD)[0] > 0


async def test_an_unguided_layer_has_one_row(noted: list[Noted]) -> None:
    await paint(steps=1, guidance=1.0)
    assert noted[0].of(metrics.BATCH_ROWS) == [1]


async def test_a_layer_that_is_left_has_wasted_its_steps(noted: list[Noted]) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)
    job = LayerJob("r", "character", "x", 50, 7.5, 1, 64, 64, 1e12)
    stream = generator.stream(job)
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    (recorder,) = noted
    assert recorder.tags(metrics.LAYERS) == [("cancelled",)]
    assert recorder.of(metrics.WASTED_STEPS) == recorder.of(metrics.STEPS) == [2]


async def test_a_layer_that_fails(noted: list[Noted], monkeypatch: pytest.MonkeyPatch) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)

    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(generator._engine, "submit", broken)
    with pytest.raises(ZeroDivisionError):
        await generator.paint(LayerJob("r", "character", "x", 5, 7.5, 1, 64, 64, 1e12))
    assert noted[0].tags(metrics.LAYERS) == [("failed",)]


TIMINGS = (
    "character-queue;dur=100.0, character-encode;dur=10.0, character-denoise;dur=2000.0, "
    "character-decode;dur=50.0, background-queue;dur=0.0, background-encode;dur=10.0, "
    "background-denoise;dur=1500.0, background-decode;dur=50.0, merge;dur=40.0, output;dur=9.5"
)


async def scenes(request: Request) -> Response:
    headers = {"Server-Timing": TIMINGS}
    if "degraded" in request.query_params:
        headers["X-Degraded"] = "character: reduced"
    return PlainTextResponse("", headers=headers)


async def full(request: Request) -> Response:
    return PlainTextResponse("", 429)


def edge() -> TestClient:
    routes = [Route("/v1/scenes", scenes), Route("/v1/jobs/{id}", full), Route("/healthz", scenes)]
    return TestClient(observed_edge.ObservedEdge(Starlette(routes=routes)))


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
    client.get("/v1/scenes?degraded=1")
    client.get("/v1/jobs/secret-id")
    (recorder,) = noted
    assert recorder.tags(metrics.DEGRADED) == [("/v1/scenes",)]
    assert recorder.tags(metrics.REJECTED) == [("429",)]
    assert recorder.tags(metrics.REQUESTS)[-1] == ("/v1/jobs/{id}", "429")


def test_no_caller_makes_a_series_of_its_own(noted: list[Noted]) -> None:
    edge().get("/guess/1")
    assert noted[0].tags(metrics.REQUESTS) == [("unknown", "404")]


def test_probes_are_not_counted(noted: list[Noted]) -> None:
    edge().get("/healthz")
    assert noted[0].notes == []
