from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deployments.background import Background
from deployments.character import Character
from deployments.diffusion.engine.watchdog import Unhealthy
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from deployments.errors import NotReady
from deployments.generator import GeneratorConfig
from deployments.messages import SMALL_PX, LayerJob, LayerResult, StepEvent
from deployments.reports.routing_stats import RoutingStats

MakeJob = Callable[..., LayerJob]


async def test_a_stream_is_a_step_event_a_step_and_then_the_layer(
    simulated: GeneratorConfig, make_job: MakeJob
) -> None:
    events: list[Any] = [event async for event in Character(simulated).stream(make_job())]
    assert events[:-1] == [StepEvent("character", step, 4) for step in (1, 2, 3, 4)]
    layer = events[-1]
    assert isinstance(layer, LayerResult)
    assert (layer.kind, layer.seed, layer.backend, layer.degraded) == ("character", 42, "simulated", ())
    assert layer.pixels.shape == (96, 64, 3)
    assert layer.recipe is not None
    assert layer.recipe.prompt.startswith("a knight, highly detailed")


async def test_painting_gives_the_streams_layer(simulated: GeneratorConfig, make_job: MakeJob) -> None:
    generator = Background(simulated)
    streamed = [event async for event in generator.stream(make_job(kind="background"))][-1]
    painted = await generator.paint(make_job(kind="background"))
    (alone,) = [layer async for layer in generator.painted(make_job(kind="background"))]
    assert isinstance(streamed, LayerResult)
    assert np.array_equal(streamed.pixels, painted.pixels)
    assert np.array_equal(streamed.pixels, alone.pixels)


async def test_a_replica_that_has_painted_its_warm_up_is_ready(simulated: GeneratorConfig) -> None:
    readiness = await Character(simulated).readiness()
    assert (readiness.ready, readiness.reason, readiness.backend) == (True, "", "simulated")


async def test_a_missing_model_is_reported_and_not_a_crash(make_job: MakeJob, tmp_path: Any) -> None:
    (tmp_path / "torn").mkdir()
    config = GeneratorConfig(ModelConfig(str(tmp_path / "torn")))
    generator = Character(config)
    readiness = await generator.readiness()
    assert not readiness.ready
    assert readiness.reason == "torn/model_index.json is missing or cannot be read"
    with pytest.raises(NotReady, match="torn/model_index"):
        await generator.paint(make_job())


async def test_a_replica_can_give_its_memory_back_between_jobs(
    simulated: GeneratorConfig, make_job: MakeJob
) -> None:
    model = replace(simulated.model, lazy_load=True)
    generator = Character(replace(simulated, model=model))
    assert (await generator.readiness()).ready
    assert (await generator.paint(make_job())).degraded == ()


async def test_its_health_is_the_engines(simulated: GeneratorConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Character(simulated)
    await generator.check_health()
    monkeypatch.setattr(generator._engine._watchdog, "fault", lambda now: "a step has been running for 9 s")
    with pytest.raises(Unhealthy, match="running for"):
        await generator.check_health()


async def test_it_reports_its_state(simulated: GeneratorConfig, make_job: MakeJob) -> None:
    generator = Character(simulated)
    assert RoutingStats.from_stats(await generator.record_routing_stats()) == RoutingStats(0.0, 0.0, 0.0)
    job = make_job()
    async for _ in generator.stream(job):
        under_way = RoutingStats(**await generator.record_routing_stats())
        assert under_way.cached == (job.cache_key,)
    done = RoutingStats(**await generator.record_routing_stats())
    assert done.megapixel_step_s > 0
    assert (done.interactive, done.cached) == (0.0, (job.cache_key,))


async def test_it_reports_whether_its_model_is_loaded(simulated: GeneratorConfig, make_job: MakeJob) -> None:
    generator = Character(replace(simulated, model=replace(simulated.model, lazy_load=True)))
    assert not (await generator.record_routing_stats())["loaded"]
    await generator.paint(make_job())
    assert (await generator.record_routing_stats())["loaded"]


async def test_batch_work_is_ahead_of_no_other_job(simulated: GeneratorConfig, make_job: MakeJob) -> None:
    generator = Character(simulated)
    for priority, steps in (("batch", {0}), ("interactive", {3, 4})):  # One step may be done by then.
        events = generator.stream(make_job(priority=priority))
        await anext(events)
        waiting_px = 1e6 * (await generator.record_routing_stats())["interactive"]
        assert round(waiting_px / SMALL_PX, 3) in steps
        await events.aclose()


async def test_one_that_cannot_paint_says_so_and_does_not_look_idle(make_job: MakeJob, tmp_path: Any) -> None:
    generator = Character(GeneratorConfig(ModelConfig(str(tmp_path / "gone"))))
    reported = RoutingStats(**await generator.record_routing_stats())
    assert reported.unready == (await generator.readiness()).reason != ""
    for _ in range(5):
        with pytest.raises(NotReady):
            await generator.paint(make_job())
    assert await generator.record_autoscaling_stats() == {}
    assert generator._load_tracker.report().arrived == (0,) * 5, "a refused job is not counted as work"


async def test_a_model_that_comes_later_is_loaded_then(
    simulated: GeneratorConfig, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.diffusion.engine.watchdog.FIRST_S", 0.01)
    whole = SimulatedPainter.load
    attempts = []

    def load(painter: SimulatedPainter) -> None:
        attempts.append(painter)
        if len(attempts) < 4:
            raise OSError("the share is not mounted")
        whole(painter)

    monkeypatch.setattr(SimulatedPainter, "load", load)
    generator = Character(simulated)
    assert not (await generator.readiness()).ready
    async with asyncio.timeout(60):
        while not (await generator.readiness()).ready:
            await generator.check_health()
            await asyncio.sleep(0.001)
    assert len(attempts) == 4
    assert RoutingStats(**await generator.record_routing_stats()).unready == ""
    assert (await generator.paint(make_job())).degraded == ()


def test_ended_it_ends_what_works_beside_it(
    simulated: GeneratorConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray Serve calls `__del__`; after a failed construction, there is nothing to end."""
    ended: list[SimulatedPainter] = []
    monkeypatch.setattr(SimulatedPainter, "stop_compiling", lambda painter: ended.append(painter))
    generator = Character(simulated)
    generator.__del__()
    assert generator._engine._painter in ended
    Character.__new__(Character).__del__()
