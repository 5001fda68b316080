"""Run an engine over a fake painter."""

from __future__ import annotations

from typing import Any

import numpy as np

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model.model_config import GenerationConfig
from deployments.messages import LayerJob, LayerResult, StepEvent


def engine_of(painter: Any, config: GenerationConfig | None = None, **more: Any) -> Engine:
    engine = Engine(
        painter,
        lambda pixels: None,
        lambda job: np.zeros((1, 1, 3), np.uint8),
        config or GenerationConfig(),
        **more,
    )
    engine.start()
    return engine


async def run(engine: Engine, job: LayerJob, prompt: str = "words") -> LayerResult:
    events = [event async for event in engine.submit(job, prompt, "")]
    assert all(isinstance(event, StepEvent) for event in events[:-1])
    assert isinstance(events[-1], LayerResult)
    return events[-1]
