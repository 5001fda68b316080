from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.attention_processor import AttnProcessor2_0, SlicedAttnProcessor

from deployments.diffusion.model.device_placement import fit
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig


def test_memory_savers(tiny_sd1: Path, paint: Callable[[Any], Any], caplog: pytest.LogCaptureFixture) -> None:
    source = str(tiny_sd1)
    sliced = load(ModelConfig(source=source, device="cpu", attention_slicing=True, offload="model"))
    assert {type(processor) for processor in sliced.unet.attn_processors.values()} == {SlicedAttnProcessor}
    assert caplog.messages == ["offload does nothing on a CPU: the model is there already"]
    plain = load(ModelConfig(source=source, device="cpu", vae_slicing=False))
    assert not plain.vae.use_slicing and not plain.vae.use_tiling
    assert load(ModelConfig(source=source, device="cpu", vae_tiling=True)).vae.use_tiling
    assert np.allclose(paint(sliced), paint(plain), atol=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="xformers may work on a GPU")
def test_without_xformers_one_line_says_so(tiny_sd1: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pipeline = load(ModelConfig(source=str(tiny_sd1), device="cpu", xformers=True))
    assert (
        [message for message in caplog.messages if "xformers" in message]
        == caplog.messages[:1]
        == caplog.messages
    )
    assert caplog.messages[0].endswith("attention runs on PyTorch's own instead")
    assert {type(processor) for processor in pipeline.unet.attn_processors.values()} == {AttnProcessor2_0}


class Recorder:
    """A pipeline that only records its calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.vae = object()

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *arguments, **_: self.calls.append(" ".join([name, *map(str, arguments)]))


@pytest.mark.parametrize(
    ("wanted", "last"),
    [
        ({}, "to cuda"),
        ({"offload": "model"}, "enable_model_cpu_offload"),
        ({"offload": "sequential"}, "enable_sequential_cpu_offload"),
    ],
)
def test_on_a_gpu(wanted: dict[str, Any], last: str) -> None:
    pipeline = Recorder()
    fit(pipeline, ModelConfig(source="any", xformers=True, attention_slicing=True, **wanted), "cuda")
    savers = ["enable_attention_slicing", "enable_xformers_memory_efficient_attention"]
    assert pipeline.calls == ["set_progress_bar_config", *savers, last]
