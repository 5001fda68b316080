"""Jobs and generators that the replicas' tests share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.simulated.simulated_painter import SimulatedConfig
from deployments.generator import GeneratorConfig
from deployments.messages import LayerJob

MakeJob = Callable[..., LayerJob]


@pytest.fixture
def make_job() -> MakeJob:
    def make(**changes: Any) -> LayerJob:
        asked: dict[str, Any] = {
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
        return LayerJob(**(asked | changes))

    return make


@pytest.fixture
def simulated() -> GeneratorConfig:
    no_time = SimulatedConfig(encode_s=0, step_s=0, decode_s=0, native_size=(64, 64))
    return GeneratorConfig(ModelConfig("storybook-character"), "simulated", no_time)
