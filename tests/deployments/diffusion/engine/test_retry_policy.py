from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from deployments.diffusion.engine.retry_policy import SEED_STRIDE, RetryPolicy
from deployments.diffusion.engine.work_item import WorkItem
from deployments.diffusion.guide_pictures import References
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.start_picture import StartPicture
from deployments.messages import LayerJob

MakeJob = Callable[..., LayerJob]
Next = Callable[[WorkItem], PaintRequest | None]


def retry_policy(latent_factor: int = 8, **config: Any) -> RetryPolicy:
    return RetryPolicy(GenerationConfig(**config), latent_factor)


def first(job: LayerJob) -> WorkItem:
    request = PaintRequest(
        job.prompt, "", job.num_inference_steps, job.guidance_scale, job.seed, job.width_px, job.height_px
    )
    return WorkItem(BatchKey(job.width_px, job.height_px), 2, 4, 0.0, 1e9, job=job, request=request)


def follow(job: LayerJob, after: Next) -> list[WorkItem]:
    """Return the work item of each further attempt."""
    made, item = [], first(job)
    while (request := after(item)) is not None:
        item = replace(item, request=request, attempt=item.attempt + 1)
        made.append(item)
    return made


def test_a_flawed_picture_is_painted_again_from_other_seeds(make_job: MakeJob) -> None:
    job = make_job()
    made = follow(job, retry_policy().after_flaw)
    assert [attempt.request.seed for attempt in made] == [42 + SEED_STRIDE, 42 + 2 * SEED_STRIDE]
    assert {attempt.degraded for attempt in made} == {("reseeded",)}
    assert first(job).degraded == ()


def test_a_flawed_picture_of_cached_guidance_is_first_painted_exactly(make_job: MakeJob) -> None:
    item = first(make_job())
    item.request = replace(item.request, guidance_cache=3)
    made = []
    while (request := retry_policy().after_flaw(item)) is not None:
        item = replace(item, request=request, attempt=item.attempt + 1)
        made.append((request.seed, request.guidance_cache))
    assert made == [(42, 1), (42 + 2 * SEED_STRIDE, 1)]


def test_a_derived_seed_can_be_requested_again(make_job: MakeJob) -> None:
    largest = 2**53 - 1
    made = follow(make_job(seed=largest), retry_policy().after_flaw)
    assert all(0 <= attempt.request.seed <= largest for attempt in made)


@pytest.mark.parametrize("factor", [8, 16])
def test_without_room_the_picture_is_reduced_and_says_so(make_job: MakeJob, factor: int) -> None:
    job = make_job(num_inference_steps=25, guidance_scale=7.5, width_px=384, height_px=512)
    attempt = follow(job, retry_policy(factor).after_out_of_memory)[0]
    reduced = attempt.request
    assert (reduced.num_inference_steps, reduced.guidance_scale, reduced.seed) == (15, 6.0, 42)
    assert reduced.width_px < 384
    assert reduced.height_px < 512
    assert reduced.width_px % factor == reduced.height_px % factor == 0
    assert abs(reduced.width_px / reduced.height_px - 0.75) < 0.05
    assert attempt.degraded == ("reduced",)


def test_what_is_already_small_is_not_made_larger(make_job: MakeJob) -> None:
    job = make_job(num_inference_steps=4, guidance_scale=2.0, width_px=64, height_px=512)
    reduced = follow(job, retry_policy().after_out_of_memory)[0].request
    assert (reduced.num_inference_steps, reduced.guidance_scale, reduced.width_px) == (4, 2.0, 64)


def test_each_attempt_without_room_is_smaller_and_they_end(make_job: MakeJob) -> None:
    job = make_job(width_px=512, height_px=512)
    sides = [512, *(attempt.request.width_px for attempt in follow(job, retry_policy().after_out_of_memory))]
    assert len(sides) == 3
    assert all(one > other for one, other in pairwise(sides))


PIXELS = np.zeros((64, 64, 3), np.uint8)
REFERENCES = References(names=("1f" * 32,), scale=0.6, pixels=(PIXELS,))
START = StartPicture(name="1f" * 32, strength=1.0, pixels=PIXELS)


@pytest.mark.parametrize("read", [{"references": REFERENCES}, {"start": START}])
def test_pictures_that_are_read_take_less_too_and_it_is_declared(
    make_job: MakeJob, read: dict[str, Any]
) -> None:
    item = first(make_job(num_inference_steps=4, guidance_scale=2.0, width_px=64, height_px=64))
    item = replace(item, request=replace(item.request, **read))
    assert item.degraded == ()
    scales = []
    while (request := retry_policy().after_out_of_memory(item)) is not None:
        item = replace(item, request=request, attempt=item.attempt + 1)
        scales.append(request.read_scale)
        assert item.degraded == ("reduced",)
    assert scales == pytest.approx([0.7, 0.49])


def test_no_room_for_the_smallest_picture_is_not_tried_twice(make_job: MakeJob) -> None:
    assert (
        follow(make_job(guidance_scale=6.0, width_px=64, height_px=64), retry_policy().after_out_of_memory)
        == []
    )


def test_without_a_fallback_no_room_is_an_error_at_once(make_job: MakeJob) -> None:
    assert follow(make_job(fallback="none", width_px=512), retry_policy().after_out_of_memory) == []


def test_reduced_and_reseeded_are_both_reported(make_job: MakeJob) -> None:
    job = make_job(width_px=128)
    step_loop = iter(
        (retry_policy().after_out_of_memory, retry_policy().after_flaw, retry_policy().after_flaw)
    )
    made = follow(job, lambda item: next(step_loop)(item))
    assert [item.degraded for item in made] == [("reduced",), ("reduced", "reseeded")]


@pytest.mark.parametrize("most", [1, 5])
def test_the_number_of_attempts_is_a_setting(make_job: MakeJob, most: int) -> None:
    assert len(follow(make_job(), retry_policy(max_attempts=most).after_flaw)) == most - 1
