"""The metrics of a generator's replica."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from deployments.diffusion.painter import Painting, PaintRequest
from deployments.diffusion.simulated.simulated_painter import SimulatedPainter
from deployments.errors import NotReady
from deployments.messages import LayerJob
from serve.telemetry import metrics
from serve.telemetry.observed_replicas import ObservedCharacter
from tests.support.local_service import simulated_config
from tests.support.noted import Noted
from tests.support.polling import eventually


async def paint(steps: int = 3, guidance: float = 7.5, guidance_cache: int = 1) -> None:
    job = LayerJob(
        request_id="r",
        kind="character",
        prompt="x",
        num_inference_steps=steps,
        guidance_scale=guidance,
        seed=1,
        width_px=64,
        height_px=64,
        deadline_at=1e12,
        guidance_cache=guidance_cache,
    )
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


async def test_the_device_s_time_is_counted_by_tenant_whether_answered_or_not(noted: list[Noted]) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)
    job = LayerJob(
        request_id="r",
        kind="character",
        prompt="x",
        num_inference_steps=9,
        guidance_scale=7.5,
        seed=1,
        width_px=64,
        height_px=64,
        deadline_at=1e12,
        tenant="a",
    )
    answered = await generator.paint(job)
    stream = generator.stream(replace(job, tenant="b", seed=2))
    await anext(stream)
    await stream.aclose()
    # It may still be in a forward.
    reported = await eventually(lambda: generator._engine.device_time.unanswered())
    for _ in range(2):
        await generator.check_health()
    (recorder,) = noted
    counted = dict(
        zip(recorder.tags(metrics.DEVICE_SECONDS), recorder.of(metrics.DEVICE_SECONDS), strict=True)
    )
    assert counted["a",] == answered.usage.device_s > 0
    assert counted["b",] > 0
    assert (await generator.record_routing_stats())["unanswered"] == reported
    assert [entry[1:4] for entry in reported] == [("b", "r", "character")]


async def test_all_figures_have_the_label_of_its_model(noted: list[Noted]) -> None:
    ObservedCharacter(simulated_config().character.generator)
    assert [recorder.model for recorder in noted] == ["storybook-character"]


async def test_gauges_are_reported_again_at_every_look_at_its_health(noted: list[Noted]) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)
    await generator.check_health()
    (recorder,) = noted
    for gauge in (metrics.MODEL_LOAD, metrics.MEMORY):
        assert len(recorder.of(gauge)) == 2


async def test_a_layer_that_gave_up_exactness_as_requested_is_painted(noted: list[Noted]) -> None:
    await paint(steps=4, guidance_cache=2)
    assert noted[0].of(metrics.BATCH_ROWS) == [2, 1, 2, 1]
    assert noted[0].tags(metrics.LAYERS) == [("painted",)]


async def test_what_is_compiled_in_the_background_is_counted(
    noted: list[Noted], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SimulatedPainter, "compile_states", {"compiled": 2, "waiting": 1, "failed": 3, "slower": 4}
    )
    ObservedCharacter(simulated_config().character.generator)
    states = zip(noted[0].tags(metrics.COMPILED), noted[0].of(metrics.COMPILED), strict=True)
    assert list(states) == [(("compiled",), 2), (("waiting",), 1), (("failed",), 3), (("slower",), 4)]


async def test_an_unguided_layer_has_one_row(noted: list[Noted]) -> None:
    await paint(steps=1, guidance=1.0)
    assert noted[0].of(metrics.BATCH_ROWS) == [1]


async def test_rows_are_those_of_the_painter_and_not_a_guess(
    noted: list[Noted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some models take the guidance as an input, and have one row per picture whatever its scale."""
    begin = SimulatedPainter.begin

    def with_one_row(painter: SimulatedPainter, request: PaintRequest) -> Painting:
        return replace(begin(painter, request), guided=False)

    monkeypatch.setattr(SimulatedPainter, "begin", with_one_row)
    await paint(steps=2, guidance=7.5)
    assert noted[0].of(metrics.BATCH_ROWS) == [1, 1]


async def test_a_layer_that_is_left_has_wasted_its_steps(noted: list[Noted]) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)
    job = LayerJob(
        request_id="r",
        kind="character",
        prompt="x",
        num_inference_steps=50,
        guidance_scale=7.5,
        seed=1,
        width_px=64,
        height_px=64,
        deadline_at=1e12,
    )
    stream = generator.stream(job)
    await anext(stream)
    await anext(stream)
    await stream.aclose()
    (recorder,) = noted
    assert recorder.tags(metrics.LAYERS) == [("cancelled",)]
    assert recorder.of(metrics.WASTED_STEPS) == recorder.of(metrics.STEPS) == [2]


async def test_a_layer_that_fails(noted: list[Noted], monkeypatch: pytest.MonkeyPatch) -> None:
    generator = ObservedCharacter(simulated_config().character.generator)

    async def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError
        yield

    monkeypatch.setattr(generator._engine, "submit", broken)
    with pytest.raises(ZeroDivisionError):
        await generator.paint(
            LayerJob(
                request_id="r",
                kind="character",
                prompt="x",
                num_inference_steps=5,
                guidance_scale=7.5,
                seed=1,
                width_px=64,
                height_px=64,
                deadline_at=1e12,
            )
        )
    assert noted[0].tags(metrics.LAYERS) == [("failed",)]


@pytest.mark.parametrize("must_load", [False, True])
def test_a_model_that_does_not_load_fails_the_start_only_where_that_is_requested(
    noted: list[Noted], monkeypatch: pytest.MonkeyPatch, must_load: bool
) -> None:
    def missing(painter: SimulatedPainter) -> None:
        raise NotReady("the weights are missing")

    monkeypatch.setattr(SimulatedPainter, "load", missing)
    config = simulated_config().character.generator
    if must_load:
        with pytest.raises(NotReady, match="the weights are missing"):
            ObservedCharacter(config, must_load=True)
    else:
        ObservedCharacter(config)
