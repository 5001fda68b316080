"""Make jobs for a layer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from deployments.messages import LayerJob

MakeJob = Callable[..., LayerJob]


@pytest.fixture
def make_job() -> MakeJob:
    def make(**changes: Any) -> LayerJob:
        requested: dict[str, Any] = {
            "request_id": "test",
            "kind": "character",
            "prompt": "a knight",
            "num_inference_steps": 4,
            "guidance_scale": 7.5,
            "seed": 42,
            "width_px": 64,
            "height_px": 96,
            "deadline_at": time.monotonic() + 600,
        }
        return LayerJob(**(requested | changes))

    return make
