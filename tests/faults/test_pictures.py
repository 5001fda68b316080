"""A model that returns NaN: the real denoiser on a tiny model of random weights, without Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.errors import GenerationFailed
from deployments.imaging.quality import flaw
from deployments.messages import LayerJob, LayerResult
from tests.support.drill_row import Row
from tests.support.layer_jobs import make_job
from tests.support.tiny_models import one_thread, tiny_sd1

__all__ = ["make_job", "one_thread", "tiny_sd1"]


async def test_not_a_number(tiny_sd1: Path, make_job: Callable[..., LayerJob], row: Row) -> None:
    row.promises(
        "a UNet that returns NaN", "caught before any merge, tried again, then 502; never a silent 200"
    )
    denoiser = Denoiser(ModelConfig(str(tiny_sd1), device="cpu"))
    engine = Engine(denoiser, flaw, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig(max_rows=2))
    engine.start()
    assert engine.readiness().ready
    forwards = []

    def break_down(module: Any, arguments: Any, response: Any) -> Any:
        forwards.append(1)
        return (torch.full_like(response[0], torch.nan), *response[1:])

    denoiser._pipeline.unet.register_forward_hook(break_down)
    with pytest.raises(GenerationFailed, match="no attempt gave a usable picture"):
        [event async for event in engine.submit(make_job(num_inference_steps=2, height_px=64), "x", "")]
    assert len(forwards) == 3 * 3, "three attempts of three forwards each, which PNDM needs for two steps"
    denoiser._pipeline.unet._forward_hooks.clear()
    events = [event async for event in engine.submit(make_job(height_px=64), "x", "")]
    assert isinstance(events[-1], LayerResult), "the next picture is unaffected"
    row.saw("three attempts, then `generation_failed`; the next picture whole")
