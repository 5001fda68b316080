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
    character = LayerJob("id", "character", "a", 1, 1.0, 42, 64, 64, deadline_at)
    return SceneJob(character, replace(character, kind="background", seed=7), MergeJob("id"), deadline_at)
