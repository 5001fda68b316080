from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from ray.serve.exceptions import BackPressureError

from deployments.errors import NotReady
from deployments.messages import LayerKind, Readiness
from deployments.reports.routing_stats import RoutingStats
from serve.config.job_config import JobConfig
from serve.config.service_config import ServiceConfig
from serve.graph import readiness
from serve.graph.readiness import DiskCheck, ServiceState, service_state
from serve.graph.scene import Graph
from serve.ingress import build_http
from serve.state.disk_space import DiskSpace
from tests.support.fake_handles import NEVER, Handle, Method
from tests.support.fake_replicas import FakeReplicas
from tests.support.local_service import captured

READY = Readiness(True, "", "storybook", "diffusers")


def graph_of(character: Any, background: Any = READY) -> Graph:
    handles: list[Any] = [Handle(readiness=Method(outcome)) for outcome in (character, background)]
    return Graph(handles[0], handles[1], handles[0])


async def test_all_is_ready() -> None:
    assert await service_state(graph_of(READY)) == ServiceState()


async def test_every_reason_is_reported() -> None:
    missing = Readiness(False, "unet is cut short", "storybook", "diffusers")
    graph = graph_of(missing, RuntimeError("/secret"))
    assert (await service_state(graph)).unready == (
        "character: unet is cut short",
        "background: its replica is restarting",
    )


async def test_why_no_replica_could_be_probed_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with captured(caplog):
        await service_state(graph_of(RuntimeError("the socket is gone")))
    assert "the readiness of the character replicas could not be probed" in caplog.text
    assert "the socket is gone" in caplog.text


async def test_a_replica_that_does_not_answer_is_still_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.05)
    graph: Any = graph_of(NEVER)
    assert (await service_state(graph)).unready == (f"character: {readiness.NONE_RUNS}",)
    assert graph.character.readiness.responses[0].cancelled


async def test_a_handle_that_cannot_even_be_called() -> None:
    graph: Any = graph_of(READY)
    graph.character.readiness = None
    assert (await service_state(graph)).unready == ("character: its replica is restarting",)


async def test_ready_over_http(client: httpx.AsyncClient) -> None:
    response = await client.get("/readyz")
    assert (response.status_code, response.json()) == (200, {"status": "ready", "backend": "simulated"})


async def test_a_missing_model_over_http(config: ServiceConfig) -> None:
    reason = "storybook/model_index.json is missing or cannot be read"
    torn = Handle(
        readiness=Method(Readiness(False, reason, "storybook", "diffusers")), paint=Method(NotReady(reason))
    )
    graph: Any = Graph(torn, torn, torn)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(build_http(config, graph))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        probe = await client.get("/readyz")
        requested = await client.post("/v1/characters", json={"prompt": "a knight"})
        alive = await client.get("/healthz")
    assert alive.status_code == 200
    assert probe.json()["error"]["message"] == f"character: {reason}; background: {reason}"
    assert requested.json()["error"]["message"] == reason
    for response in (probe, requested):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
        assert int(response.headers["retry-after"]) >= 1


GOOD, MISSING = RoutingStats(1.0, 0.1, 0.0), RoutingStats(0.0, 0.0, 0.0, unready="unet is missing")


def reported_by(*stats: RoutingStats | None, requested: Any = READY) -> Graph:
    """Return a graph whose Character replicas report `stats`; each answers a probe with `requested`."""
    replicas = FakeReplicas(stats)

    def known(kind: LayerKind) -> FakeReplicas | None:
        return replicas if kind == "character" else None

    return replace(graph_of(requested), replicas=known)


@pytest.mark.parametrize(
    "requested", [READY, NEVER, RuntimeError("gone"), Readiness(False, "x", "m", "diffusers")]
)
async def test_one_replica_of_two_that_cannot_paint_is_reported_steadily(requested: Any) -> None:
    state = await service_state(reported_by(GOOD, MISSING, requested=requested))
    reason = "character: 1 of 2 replicas cannot paint: unet is missing"
    assert state == ServiceState(degraded=(reason,)), "whichever replica is probed"


async def test_none_that_can_paint() -> None:
    corrupt = RoutingStats(0.0, 0.0, 0.0, unready="a is corrupt")
    for stats in ((MISSING, corrupt), (corrupt, MISSING)):
        assert (await service_state(reported_by(*stats))).unready == ("character: a is corrupt",)
    state = await service_state(reported_by(corrupt, MISSING, MISSING))
    assert state.unready == ("character: unet is missing",)


@pytest.mark.parametrize("stats", [(), (None,), (None, None), (MISSING, None)])
async def test_what_no_replica_has_reported_is_probed(stats: tuple[RoutingStats | None, ...]) -> None:
    assert await service_state(reported_by(*stats)) == ServiceState()
    torn = Readiness(False, "unet is torn", "m", "diffusers")
    assert (await service_state(reported_by(*stats, requested=torn))).unready == ("character: unet is torn",)


async def test_busy_is_ready() -> None:
    assert await service_state(reported_by(GOOD, requested=NEVER)) == ServiceState()


@pytest.mark.parametrize("stats", [(None,), (None, None)])
async def test_running_replicas_without_time_to_answer_are_busy(
    stats: tuple[None, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "BUSY_TIMEOUT_S", 0.05)
    assert await service_state(reported_by(*stats, requested=NEVER)) == ServiceState()
    full = BackPressureError(1, 1)
    assert await service_state(reported_by(*stats, requested=full)) == ServiceState(), "a full queue is busy"
    with_a_bad_one = await service_state(reported_by(*stats, MISSING, requested=NEVER))
    count = f"1 of {len(stats) + 1} replicas cannot paint"
    assert with_a_bad_one == ServiceState(degraded=(f"character: {count}: unet is missing",))


async def test_no_replica_at_all_is_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_TIMEOUT_S", 0.05)
    state = await service_state(reported_by(requested=NEVER))
    assert state.unready == (f"character: {readiness.NONE_RUNS}",)


async def test_fewer_replicas_than_wanted_run() -> None:
    fewer = ServiceState(degraded=("character: 1 of 2 replicas are running",))
    assert await service_state(reported_by(GOOD), {"character": 2, "background": 2}) == fewer
    assert await service_state(reported_by(None), {"character": 2}) == fewer, "busy replicas, too"
    for enough in (reported_by(GOOD, GOOD), reported_by(GOOD, GOOD, GOOD), graph_of(READY)):
        assert await service_state(enough, {"character": 2, "background": 2}) == ServiceState()
    assert (await service_state(reported_by(MISSING), {"character": 2})).unready == (
        "character: unet is missing",
    )


async def test_one_of_two_replicas_is_reported_over_http(config: ServiceConfig) -> None:
    data = config.model_dump()
    data["character"]["replicas"]["num_replicas"] = 2
    app = build_http(ServiceConfig.model_validate(data), reported_by(GOOD))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert response.json()["reasons"] == ["character: 1 of 2 replicas are running"]


async def test_degraded_over_http(config: ServiceConfig) -> None:
    transport = httpx.ASGITransport(build_http(config, reported_by(GOOD, MISSING)))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    reason = "character: 1 of 2 replicas cannot paint: unet is missing"
    assert response.json() == {"status": "degraded", "reasons": [reason], "backend": "simulated"}


async def test_a_disk_without_room_degrades_and_one_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses, looks = threading.Event(), []

    def shortage(self: DiskSpace) -> str | None:
        looks.append(responses.wait(30))
        return "jobs: no room"

    monkeypatch.setattr(DiskSpace, "shortage", shortage)
    monkeypatch.setattr(readiness, "DISK_TIMEOUT_S", 0.01)
    check, state = DiskCheck(DiskSpace(JobConfig(), tmp_path)), ServiceState(degraded=("character: slow",))
    for _ in range(3):
        assert await check.beside(state) == ServiceState(degraded=("character: slow", readiness.NO_RESPONSE))
    responses.set()
    monkeypatch.setattr(readiness, "DISK_TIMEOUT_S", 30.0)
    assert await check.beside(state) == ServiceState(degraded=("character: slow", "jobs: no room"))
    assert len(looks) == 1, "a check that hangs blocks only one thread"


def with_other(other: Any, **groups: FakeReplicas) -> Graph:
    """Return a graph with two models of the character, of which the first is ready."""
    graph = graph_of(READY)
    handle: Any = Handle(readiness=Method(other))
    named = {name.replace("_", ":"): replicas for name, replicas in groups.items()}
    return replace(graph, others={"character:b": handle}, replicas=named.get)


async def test_a_model_that_may_sleep_is_neither_woken_nor_missed() -> None:
    for groups in ({}, {"character_b": FakeReplicas()}):
        graph: Any = with_other(RuntimeError("asked"), **groups)
        assert await service_state(graph, {"character": 1, "character:b": 0}) == ServiceState()
        assert not graph.others["character:b"].readiness.responses


async def test_one_that_is_awake_is_judged_and_so_is_one_that_should_be() -> None:
    graph = with_other(READY, character_b=FakeReplicas([MISSING]))
    state = await service_state(graph, {"character": 1, "character:b": 0})
    assert state == ServiceState(degraded=("character:b: unet is missing",))
    silent = with_other(RuntimeError("gone"))
    state = await service_state(silent, {"character": 1, "character:b": 1})
    assert state == ServiceState(degraded=("character:b: its replica is restarting",))


async def test_where_all_of_a_layer_sleep_they_are_probed() -> None:
    graph = with_other(Readiness(False, "unet is missing", "m", "diffusers"))
    assert await service_state(graph, {"character": 0, "character:b": 0}) == ServiceState(
        degraded=("character:b: unet is missing",)
    )


async def test_where_none_can_paint_every_reason_is_reported() -> None:
    torn = Readiness(False, "vae is missing", "m", "diffusers")
    graph = replace(with_other(torn), character=Handle(readiness=Method(torn)))  # type: ignore[arg-type]
    state = await service_state(graph)
    assert state == ServiceState(unready=("character: vae is missing", "character:b: vae is missing"))
