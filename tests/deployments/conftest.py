"""Fixtures shared by the replicas' tests: jobs and generators."""

from __future__ import annotations

import pytest

from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.simulated.simulated_painter import SimulatedConfig
from deployments.generator import GeneratorConfig
from tests.support.layer_jobs import make_job as make_job


@pytest.fixture
def simulated() -> GeneratorConfig:
    no_time = SimulatedConfig(encode_s=0, step_s=0, decode_s=0, native_size=(64, 64))
    return GeneratorConfig(ModelConfig("storybook-character"), "simulated", no_time)
