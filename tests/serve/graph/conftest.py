"""A scene's job for the tests of its graph."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from deployments.messages import LayerJob, MergeJob
from serve.graph.scene_job import SceneJob


@pytest.fixture
def job() -> SceneJob:
    deadline_at = time.monotonic() + 30
    character = LayerJob(
        request_id="id",
        kind="character",
        prompt="a",
        num_inference_steps=1,
        guidance_scale=1.0,
        seed=42,
        width_px=64,
        height_px=64,
        deadline_at=deadline_at,
    )
    return SceneJob(character, replace(character, kind="background", seed=7), MergeJob("id"), deadline_at)
