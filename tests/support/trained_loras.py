"""LoRAs for every layer of a model's denoiser, saved under their names in diffusers and peft."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

STRENGTH = 0.3


def save_trained(pipeline: Any, denoiser: str, file: Path, seed: int, rank: int = 3) -> None:
    """Save a LoRA for a copy of the denoiser, far from the zeros that training starts from."""
    network = deepcopy(getattr(pipeline, denoiser))
    layers = [name for name, layer in network.named_modules() if isinstance(layer, changeable(denoiser))]
    torch.manual_seed(seed)
    network.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=layers, init_lora_weights=False))
    tensors = get_peft_model_state_dict(network)
    file.parent.mkdir(exist_ok=True)
    save_file(
        {f"{denoiser}.{name}": (STRENGTH * value).contiguous() for name, value in tensors.items()}, file
    )


def changeable(denoiser: str) -> tuple[type[torch.nn.Module], ...]:
    """Return the layer types that trainers change: in UNets the convolutions too."""
    return (torch.nn.Linear, torch.nn.Conv2d) if denoiser == "unet" else (torch.nn.Linear,)
