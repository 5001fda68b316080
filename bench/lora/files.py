"""Make models, and LoRAs for all their layers, in folders like an operator's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from bench.engine.random_pipelines import random_pipeline
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from tests.support.trained_loras import save_trained

BUNDLED = "storybook-character"
DEEP = "as deep as Stable Diffusion XL"
RANK = 16
QUICK_LATENTS = 8
SUFFIX = ".safetensors"


def model_of(name: str, folder: Path, quick: bool) -> str:
    """Return a model's source: the bundled one's name, or a folder made under `folder`."""
    if name == BUNDLED:
        return name
    pipeline = random_pipeline("sdxl", "tiny", "cpu", torch.float32)
    if quick:  # A small native size, which is that of the warm-up picture.
        pipeline.unet.register_to_config(sample_size=QUICK_LATENTS)
    else:
        pipeline.register_modules(unet=_deep(pipeline.unet))
    pipeline.save_pretrained(folder / "deep")
    return str(folder / "deep")


def write_loras(source: str, folder: Path, count: int) -> int:
    """Write `count` LoRAs with different weights. Return how many layers each changes."""
    pipeline = load(ModelConfig(source, device="cpu"))
    folder.mkdir(parents=True)
    for seed in range(count):
        save_trained(pipeline, "unet", folder / f"{seed}{SUFFIX}", seed, RANK)
    return sum(name.endswith(".lora_A.weight") for name in header(folder / f"0{SUFFIX}"))


def header(file: Path) -> dict[str, Any]:
    """Return the header of a safetensors file, which describes its tensors."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        return dict(json.loads(stream.read(length)))


def _deep(tiny: UNet2DConditionModel) -> UNet2DConditionModel:
    """Build the blocks of XL, 70 transformer blocks in three levels, at a fifth of its width."""
    config: dict[str, Any] = {
        **tiny.config,
        "block_out_channels": (64, 128, 256),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (2, 4, 8),
        "layers_per_block": 2,
        "norm_num_groups": 32,
        "sample_size": 16,
    }
    return UNet2DConditionModel(**config)
