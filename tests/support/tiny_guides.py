"""Save tiny random IP-Adapters, image encoders and ControlNets of the real classes, as operators do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

EMBEDDED, HIDDEN, QUERIES = 16, 32, 3
SIDE_PX = 28


def save_image_encoder(folder: Path, embedded: int = EMBEDDED, hidden: int = HIDDEN) -> Path:
    torch.manual_seed(11)
    config = CLIPVisionConfig(
        hidden_size=hidden,
        intermediate_size=hidden,
        projection_dim=embedded,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=SIDE_PX,
        patch_size=7,
    )
    CLIPVisionModelWithProjection(config).save_pretrained(folder)
    return folder


def save_adapter(model: Path, file: Path, plus: bool = False) -> Path:
    """Save an adapter for a model's UNet: the original form, or `plus`, which reads all patches."""
    torch.manual_seed(12)
    weights = _attention(_unet(model))
    width = int(_unet(model).config.cross_attention_dim)
    projection = _resampler(width) if plus else _projection(width)
    weights |= {f"image_proj.{name}": weight for name, weight in projection.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file({name: weight.contiguous() for name, weight in weights.items()}, file)
    return file


def save_controlnet(model: Path, folder: Path) -> Path:
    """Save a ControlNet for a model's UNet; its last layers are not the zeros that training begins with."""
    torch.manual_seed(13)
    controlnet: Any = ControlNetModel.from_unet(
        _unet(model), conditioning_embedding_out_channels=(4, 8, 8, 8), load_weights_from_unet=False
    )
    with torch.no_grad():
        for name, weight in controlnet.named_parameters():
            if "controlnet_" in name and not weight.any():
                weight.normal_(std=0.3)
    controlnet.save_pretrained(folder)
    return folder


def _unet(model: Path) -> Any:
    return UNet2DConditionModel.from_pretrained(str(model / "unet"), local_files_only=True)


def _attention(unet: Any) -> dict[str, torch.Tensor]:
    """Return keys and values for each cross-attention layer, numbered as in the original adapters."""
    weights, number = {}, 1
    for name in unet.attn_processors:
        if "attn2" in name:
            layer = unet.get_submodule(name.removesuffix(".processor"))
            for part in ("k", "v"):
                like = getattr(layer, f"to_{part}").weight
                weights[f"ip_adapter.{number}.to_{part}_ip.weight"] = torch.randn_like(like)
            number += 2
    return weights


def _projection(width: int) -> dict[str, torch.Tensor]:
    return {
        "proj.weight": torch.randn(4 * width, EMBEDDED),
        "proj.bias": torch.randn(4 * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }


def _resampler(width: int) -> dict[str, torch.Tensor]:
    """Return the resampler's weights under the original names: four blocks with one head of 64."""
    inner, head = 8, 64
    weights = {
        "latents": torch.randn(1, QUERIES, inner),
        "proj_in.weight": torch.randn(inner, HIDDEN),
        "proj_in.bias": torch.randn(inner),
        "proj_out.weight": torch.randn(width, inner),
        "proj_out.bias": torch.randn(width),
        "norm_out.weight": torch.ones(width),
        "norm_out.bias": torch.zeros(width),
    }
    for block in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            weights[f"layers.{block}.{norm}.weight"] = torch.ones(inner)
            weights[f"layers.{block}.{norm}.bias"] = torch.zeros(inner)
        weights |= {
            f"layers.{block}.0.to_q.weight": torch.randn(head, inner),
            f"layers.{block}.0.to_kv.weight": torch.randn(2 * head, inner),
            f"layers.{block}.0.to_out.weight": torch.randn(inner, head) / 8,
            f"layers.{block}.1.1.weight": torch.randn(4 * inner, inner),
            f"layers.{block}.1.3.weight": torch.randn(inner, 4 * inner),
        }
    return weights
