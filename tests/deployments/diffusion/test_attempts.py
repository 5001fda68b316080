from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.attempts import SEED_STRIDE, Attempts
from deployments.diffusion.config import GenerationConfig
from deployments.diffusion.painter import OnStep, Painted, PaintRequest
from deployments.errors import GenerationFailed, OutOfMemory
from deployments.imaging.quality import flaw
from deployments.messages import Backend, LayerJob, LayerResult, Recipe

MakeJob = Callable[..., LayerJob]
FULL = OutOfMemory("no room")
GOOD = "good"


class ScriptedPainter:
    """Paints, or fails, as its script says; the last entry stands for all further attempts."""

    model = "scripted"
    backend: Backend = "simulated"
    native_size = (64, 64)
    loaded = True

    def __init__(self, *script: Any, latent_factor: int = 8) -> None:
        self.script, self.latent_factor = list(script), latent_factor
        self.asked: list[PaintRequest] = []

    def load(self) -> None: ...

    def unload(self) -> None: ...

    def paint(self, request: PaintRequest, on_step: OnStep) -> Painted:
        self.asked.append(request)
        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(act, Exception):
            raise act
        shape = (request.height_px, request.width_px, 3)
        noise = np.random.default_rng(request.seed).integers(0, 256, shape, np.uint8)
        return Painted(noise if act == GOOD else np.full(shape, act, np.uint8), 0, 0, 0)


def paint(painter: ScriptedPainter, job: LayerJob, **config: Any) -> LayerResult:
    def stand_in(job: LayerJob) -> Any:
        return np.full((job.height_px, job.width_px, 3), 99, np.uint8)

    attempts = Attempts(painter, flaw, stand_in, GenerationConfig(**config))
    request = PaintRequest(
        job.prompt, "", job.num_inference_steps, job.guidance_scale, job.seed, job.width_px, job.height_px
    )
    return attempts.paint(job, request, lambda: None, lambda step, steps: None, 5.0)


def test_the_recipe_is_what_was_painted_and_a_placeholder_has_none(make_job: MakeJob) -> None:
    job = make_job(num_inference_steps=50, fallback="placeholder")
    reduced = paint(ScriptedPainter(FULL, GOOD), job)
    assert reduced.degraded == ("reduced",)
    assert reduced.recipe == Recipe(job.prompt, "", 15, 6.0)
    assert paint(ScriptedPainter(FULL), job).recipe is None


def test_a_good_picture_is_taken_at_once(make_job: MakeJob) -> None:
    painter = ScriptedPainter(GOOD)
    result = paint(painter, make_job())
    assert (result.seed, result.degraded, result.model, result.timings.queue_ms) == (42, (), "scripted", 5.0)
    assert len(painter.asked) == 1


@pytest.mark.parametrize("bad", [0, 255, 128])
def test_a_flawed_picture_is_painted_again_from_another_seed(make_job: MakeJob, bad: int) -> None:
    painter = ScriptedPainter(bad, bad, GOOD)
    result = paint(painter, make_job())
    assert [request.seed for request in painter.asked] == [42, 42 + SEED_STRIDE, 42 + 2 * SEED_STRIDE]
    assert (result.seed, result.degraded) == (42 + 2 * SEED_STRIDE, ("reseeded",))


def test_a_derived_seed_can_be_asked_for_again(make_job: MakeJob) -> None:
    largest = 2**53 - 1
    result = paint(ScriptedPainter(0, GOOD), make_job(seed=largest))
    assert 0 <= result.seed <= largest
    again = paint(ScriptedPainter(GOOD), make_job(seed=result.seed))
    assert np.array_equal(again.pixels, result.pixels)


@pytest.mark.parametrize(("bad", "why"), [(0, "too dark"), (255, "too bright"), (128, "flat")])
def test_after_three_flawed_pictures_it_fails(make_job: MakeJob, bad: int, why: str) -> None:
    painter = ScriptedPainter(bad)
    with pytest.raises(GenerationFailed, match=f"the last one was {why}") as raised:
        paint(painter, make_job())
    assert len(painter.asked) == 3
    assert raised.value.param == "character"


@pytest.mark.parametrize("act", [0, FULL])
def test_the_last_resort_is_a_placeholder_of_the_size_asked_for(make_job: MakeJob, act: Any) -> None:
    result = paint(ScriptedPainter(act), make_job(fallback="placeholder"))
    assert (result.degraded, result.seed) == (("placeholder",), 42)
    assert result.pixels.shape == (96, 64, 3)
    assert (result.pixels == 99).all()


@pytest.mark.parametrize("factor", [8, 16])
def test_without_room_the_picture_is_reduced_and_says_so(make_job: MakeJob, factor: int) -> None:
    painter = ScriptedPainter(FULL, GOOD, latent_factor=factor)
    asked = make_job(num_inference_steps=25, guidance_scale=7.5, width_px=384, height_px=512)
    result = paint(painter, asked)
    reduced = painter.asked[1]
    assert (reduced.num_inference_steps, reduced.guidance_scale, reduced.seed) == (15, 6.0, 42)
    assert reduced.width_px < 384
    assert reduced.height_px < 512
    assert reduced.width_px % factor == reduced.height_px % factor == 0
    assert abs(reduced.width_px / reduced.height_px - 0.75) < 0.05
    assert (result.degraded, result.pixels.shape) == (("reduced",), (reduced.height_px, reduced.width_px, 3))


def test_what_is_already_small_is_not_made_larger(make_job: MakeJob) -> None:
    painter = ScriptedPainter(FULL, GOOD)
    paint(painter, make_job(num_inference_steps=4, guidance_scale=2.0, width_px=64, height_px=512))
    reduced = painter.asked[1]
    assert (reduced.num_inference_steps, reduced.guidance_scale, reduced.width_px) == (4, 2.0, 64)


def test_no_room_ever_is_out_of_memory(make_job: MakeJob) -> None:
    painter = ScriptedPainter(FULL)
    with pytest.raises(OutOfMemory, match="no room"):
        paint(painter, make_job(width_px=512, height_px=512))
    sides = [request.width_px for request in painter.asked]
    assert len(sides) == 3
    assert sides[0] > sides[1] > sides[2]


def test_no_room_for_the_smallest_picture_is_not_tried_twice(make_job: MakeJob) -> None:
    painter = ScriptedPainter(FULL)
    with pytest.raises(OutOfMemory):
        paint(painter, make_job(guidance_scale=6.0, width_px=64, height_px=64))
    assert len(painter.asked) == 1


def test_without_a_fallback_no_room_is_an_error_at_once(make_job: MakeJob) -> None:
    painter = ScriptedPainter(FULL, GOOD)
    with pytest.raises(OutOfMemory, match="no room"):
        paint(painter, make_job(fallback="none"))
    assert len(painter.asked) == 1


def test_reduced_and_reseeded_are_both_told(make_job: MakeJob) -> None:
    assert paint(ScriptedPainter(FULL, 0, GOOD), make_job(width_px=128)).degraded == ("reduced", "reseeded")


def test_the_number_of_attempts_is_a_setting(make_job: MakeJob) -> None:
    painter = ScriptedPainter(0)
    with pytest.raises(GenerationFailed):
        paint(painter, make_job(), max_attempts=5)
    assert len(painter.asked) == 5
