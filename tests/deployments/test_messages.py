from __future__ import annotations

import dataclasses
import pickle
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deployments.messages import LayerJob, LayerResult, LayerTimings, LoraUse, MergeOptions, OutputOptions


def test_pixels_cross_a_process_unchanged() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    timings = LayerTimings(1.0, 2.0, 3.0, 4.0)
    sent = LayerResult("character", pixels, 7, "storybook", "diffusers", timings, ("reduced",), ("long",))
    got = pickle.loads(pickle.dumps(sent))  # noqa: S301
    assert np.array_equal(got.pixels, pixels)
    assert dataclasses.replace(got, pixels=pixels) == sent


def test_the_defaults_are_the_contracts() -> None:
    options = MergeOptions()
    assert (options.mode, options.position, options.width_px, options.height_px) == (
        "auto",
        "right",
        1024,
        512,
    )
    assert (options.scale, options.harmonize, options.shadow, options.contrast) == (1.0, 0.55, True, None)
    assert OutputOptions() == OutputOptions("jpeg", 95)


@pytest.mark.parametrize(
    "same",
    [{"request_id": "other"}, {"deadline_at": 1.0}, {"priority": "batch"}, {"previews": 3}, {"tenant": "t"}],
)
def test_the_caller_and_the_time_change_no_picture(
    make_job: Callable[..., LayerJob], same: dict[str, Any]
) -> None:
    assert make_job(**same).picture_key == make_job().picture_key
    assert make_job(**same).cache_key == make_job().cache_key


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "background"},
        {"model": "another"},
        {"loras": (LoraUse(name="ink", sha256="1"),)},
        {"prompt": "a Knight"},
        {"negative_prompt": ""},
        {"num_inference_steps": 5},
        {"guidance_scale": 7.0},
        {"seed": 43},
        {"width_px": 72},
        {"height_px": 72},
        {"enhance_prompt": False},
        {"plain_backdrop": True},
        {"fallback": "none"},
        {"guidance_interval": (0.0, 0.5)},
        {"guidance_cache": 2},
    ],
)
def test_all_that_a_picture_depends_on_is_in_its_keys(
    make_job: Callable[..., LayerJob], other: dict[str, Any]
) -> None:
    assert make_job(**other).picture_key != make_job().picture_key
    assert make_job(**other).cache_key != make_job().cache_key


def test_the_cost_of_a_layer(make_job: Callable[..., LayerJob]) -> None:
    job = make_job(width_px=500, height_px=400, num_inference_steps=20)
    assert job.megapixel_steps == pytest.approx(4.0)


@pytest.mark.parametrize("ahead_s", [600.0, -600.0], ids=["ahead", "behind"])
def test_what_is_left_of_a_deadline_crosses_to_a_machine_of_another_time(
    make_job: Callable[..., LayerJob], monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    here, clock = make_job(deadline_at=time.monotonic() + 30), time.monotonic
    sent = pickle.dumps(here)
    monkeypatch.setattr(time, "monotonic", lambda: clock() + ahead_s)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    there: LayerJob = pickle.loads(sent)  # noqa: S301
    assert 29 < there.deadline_at - time.monotonic() <= 30
    assert dataclasses.replace(there, deadline_at=here.deadline_at) == here


def test_the_time_that_a_job_waits_to_be_sent_is_not_given_back(
    make_job: Callable[..., LayerJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, clock = make_job(deadline_at=time.monotonic() + 30), time.monotonic
    with monkeypatch.context() as later:
        later.setattr(time, "monotonic", lambda: clock() + 20)
        sent = pickle.dumps(job)
    assert 9 < pickle.loads(sent).deadline_at - time.monotonic() <= 10  # noqa: S301
