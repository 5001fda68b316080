"""One trace per request: its parent, its contents, and that none of the caller's words are in it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from opentelemetry.trace import SpanKind, StatusCode

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.http.http_telemetry import HttpTracing
from serve.ingress import build_http
from serve.telemetry.scene_spans import note_loss, spanning
from tests.support.local_service import mounted, served
from tests.support.scene_requests import SCENE, SMALL
from tests.support.traces import Traces, recorded, trace_of

LAYER_STAGES = ["queue", "encode", "denoise", "decode"]
SECRET = "a very private knight"
CALLERS = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{CALLERS}-b7ad6b7169203331-01"


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    with recorded(monkeypatch) as traces:
        yield traces


def client_of(config: ServiceConfig, graph: Graph) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(served(HttpTracing(build_http(config, graph))))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
def traced(config: ServiceConfig, graph: Graph, traces: Traces) -> httpx.AsyncClient:
    return client_of(config, graph)


@pytest.mark.parametrize("accept", ["image/jpeg", "text/event-stream"])
async def test_a_scene_is_one_trace(traced: httpx.AsyncClient, traces: Traces, accept: str) -> None:
    headers = {"X-Request-ID": "story-7", "Accept": accept}
    assert (await traced.post("/v1/scenes", json=SCENE, headers=headers)).status_code == 200
    root = traces.one("POST /v1/scenes")
    assert root.kind is SpanKind.SERVER
    assert root.parent is None
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/scenes",
        "http.response.status_code": 200,
        "scenewright.request_id": "story-7",
    }
    assert sorted(traces.children(root)) == ["background", "character", "merger"]
    assert {trace_of(span) for span in traces.all()} == {trace_of(root)}
    for kind in ("character", "background"):
        layer = traces.one(kind)
        assert traces.children(layer) == LAYER_STAGES
        assert (layer.attributes or {})["scenewright.request_id"] == "story-7"
        assert (layer.attributes or {})["scenewright.backend"] == "simulated"
    assert traces.children(traces.one("merger")) == ["merge", "output"]


async def test_the_branches_overlap_and_the_merge_comes_after_both(
    traced: httpx.AsyncClient, traces: Traces
) -> None:
    await traced.post("/v1/scenes", json=SCENE)
    times = {}
    for name in ("POST /v1/scenes", "character", "background", "merger"):
        span = traces.one(name)
        assert span.start_time is not None
        assert span.end_time is not None
        times[name] = span.start_time, span.end_time
    root, character, background, merger = times.values()
    assert character[0] < background[1]
    assert background[0] < character[1]
    assert max(character[1], background[1]) <= merger[0]
    assert root[0] <= min(character[0], background[0])
    assert merger[1] <= root[1]


async def test_stages_lie_within_their_branch(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.post("/v1/characters", json=SMALL)
    layer = traces.one("character")
    stages = [traces.one(name) for name in LAYER_STAGES]
    edges = [layer.start_time, *(time for span in stages for time in (span.start_time, span.end_time))]
    known = [time for time in (*edges, layer.end_time) if time is not None]
    assert len(known) == 2 * len(stages) + 2
    assert known == sorted(known)


async def test_a_layer_from_the_cache_has_no_stages(traced: httpx.AsyncClient, traces: Traces) -> None:
    requested = SMALL | {"prompt": "asked for twice", "seed": 11}
    await traced.post("/v1/backgrounds", json=requested)
    await traced.post("/v1/backgrounds", json=requested)
    layers = [span for span in traces.all() if span.name == "background"]
    assert [(span.attributes or {})["scenewright.cached"] for span in layers] == [False, True]
    assert [traces.children(span) for span in layers] == [LAYER_STAGES, []]


async def test_no_word_of_a_prompt_is_in_it(
    traced: httpx.AsyncClient, traces: Traces, config: ServiceConfig, particular: Graph
) -> None:
    scene = {"character": {"prompt": SECRET, "negative_prompt": SECRET}, "background": SECRET}
    await traced.post("/v1/scenes", json=scene)
    await traced.post("/v1/scenes", json=scene | {SECRET: 1})
    await traced.post(f"/v1/{SECRET}", json=scene)
    await traced.post("/v1/scenes", params={"previews": SECRET}, json=scene)
    await client_of(config, particular).post("/v1/scenes", json=scene)
    assert len(traces.all()) > 20
    assert "private" not in traces.words()
    assert "knight" not in traces.words()


async def test_a_callers_trace_is_gone_on_with(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.get("/v1/models", headers={"traceparent": TRACEPARENT, "tracestate": "vendor=1"})
    root = traces.one("GET /v1/models")
    assert trace_of(root) == CALLERS
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == "b7ad6b7169203331"
    assert root.parent.trace_state.get("vendor") == "1"


async def test_a_caller_may_leave_its_trace_unrecorded(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.get("/v1/models", headers={"traceparent": TRACEPARENT[:-1] + "0"})
    assert traces.all() == ()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        "-" * 55,
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-{CALLERS}-{'0' * 16}-01",
        f"ff-{CALLERS}-b7ad6b7169203331-01",
        f"00-{CALLERS.upper()}-b7ad6b7169203331-01",
        f"00-{CALLERS}-b7ad6b7169203331-01-more",
        "é" * 55,
        TRACEPARENT + "x" * 8_000,
    ],
)
async def test_a_malformed_traceparent_is_as_none(
    traced: httpx.AsyncClient, traces: Traces, header: str
) -> None:
    response = await traced.get("/v1/models", headers={b"traceparent": header.encode("latin-1")})
    assert response.status_code == 200
    root = traces.one("GET /v1/models")
    assert root.parent is None
    assert trace_of(root) != CALLERS


async def test_two_traceparents_are_as_none(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.get("/v1/models", headers=[("traceparent", TRACEPARENT), ("traceparent", TRACEPARENT)])
    assert traces.one("GET /v1/models").parent is None


async def test_concurrent_requests_keep_their_traces_apart(traced: httpx.AsyncClient, traces: Traces) -> None:
    ids = [f"{number:032x}" for number in range(1, 5)]
    await asyncio.gather(
        *(
            traced.post("/v1/scenes", json=SCENE, headers={"traceparent": f"00-{each}-b7ad6b7169203331-01"})
            for each in ids
        )
    )
    assert [sum(trace_of(span) == each for span in traces.all()) >= 6 for each in ids] == [True] * 4


async def test_a_fault_is_reported_by_its_class(
    config: ServiceConfig, particular: Graph, traces: Traces
) -> None:
    response = await client_of(config, particular).post("/v1/scenes", json=SCENE)
    assert response.status_code == 422
    merger = traces.one("merger")
    assert merger.status.status_code is StatusCode.ERROR
    assert (merger.attributes or {})["error.type"] == "CutoutFailed"
    assert not merger.events
    assert traces.one("POST /v1/scenes").status.status_code is StatusCode.UNSET  # the error was the caller's


async def test_a_deadline_that_passed_is_our_fault(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.post("/v1/scenes", json=SCENE | {"deadline_s": 1e-6})
    root = traces.one("POST /v1/scenes")
    assert root.status.status_code is StatusCode.ERROR
    assert (root.attributes or {})["http.response.status_code"] == 504


async def test_what_machines_poll_is_not_traced(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.get("/healthz")
    await traced.get("/readyz")
    assert traces.all() == ()


async def test_guessed_paths_make_no_names(traced: httpx.AsyncClient, traces: Traces) -> None:
    await traced.get("/v1/jobs/" + "7" * 32)
    await traced.get("/wp-login.php")
    assert [span.name for span in traces.all()] == ["GET /v1/jobs/{job_id}", "GET unknown"]


def test_a_jobs_scene_is_a_trace_of_its_own(url_with_worker: str, traces: Traces) -> None:
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        job = http.post("/v1/jobs", json={"scenes": [SCENE]}).json()["id"]
        assert '"succeeded"' in http.get(f"/v1/jobs/{job}/events").text
    root = traces.one("job scene")
    assert root.parent is None
    assert dict(root.attributes or {}) == {
        "scenewright.job_id": job,
        "scenewright.request_id": f"{job}-0",
    }
    assert sorted(traces.children(root)) == ["background", "character", "merger"]


def test_a_lost_replica_is_noted(traces: Traces) -> None:
    with spanning("character", {}):
        note_loss(2)
    (event,) = traces.one("character").events
    assert (event.name, dict(event.attributes or {})) == ("replica lost", {"scenewright.losses": 2})


async def test_without_a_provider_nothing_is_recorded(config: ServiceConfig, graph: Graph) -> None:
    response = await client_of(config, graph).post("/v1/scenes", json=SCENE)
    assert response.status_code == 200


async def test_below_a_prefix_the_route_is_the_same_and_probes_leave_no_trace(
    config: ServiceConfig, graph: Graph, traces: Traces
) -> None:
    app = mounted(HttpTracing(served(build_http(config, graph))), "/paint")
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")
    for path in ("/paint/healthz", "/paint/v1/models"):
        assert (await client.get(path)).status_code == 200
    (span,) = traces.all()
    assert span.name == "GET /v1/models"
