"""Write LoRAs as trainers save them, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

UNET = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_out_proj"
"""The layer by which diffusers detects that a file changes a text encoder."""


def pair(layer: str, seed: int = 0, width: int = 32, rank: int = 4, alpha: float = 4.0) -> dict[str, Any]:
    """Make the LoRA weights of one layer, named as kohya-ss's scripts do."""
    dice = np.random.default_rng([seed, len(layer)])
    return {
        f"{layer}.lora_down.weight": dice.normal(size=(rank, width)).astype(np.float32),
        f"{layer}.lora_up.weight": dice.normal(size=(width, rank)).astype(np.float32),
        f"{layer}.alpha": np.array(alpha, np.float32),
    }


def write_lora(folder: Path, name: str, seed: int = 0, **tensors: Any) -> Path:
    """Write a LoRA for the tiny Stable Diffusion models, unless other tensors are given."""
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}.safetensors"
    save_file(tensors or pair(UNET, seed) | pair(TEXT, seed), file)
    return file
