"""Load the ControlNet for poses that is configured for a model."""

from __future__ import annotations

from typing import Any

from diffusers import ControlNetModel

from deployments.diffusion.model.family import Family
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.networks import denoiser_of
from deployments.diffusion.model.side_networks import read_network, shown_name
from deployments.errors import ModelUnusable

CALLED = "the ControlNet"
SHARED = ("cross_attention_dim", "block_out_channels", "addition_embed_type", "in_channels")
"""Configuration keys that must be equal in a ControlNet and its UNet."""


def pose_controlnet(config: ModelConfig, family: Family, pipeline: Any) -> Any:
    """Return the ControlNet on the pipeline's device, in its precision, or None if none is configured.

    Raises NotReady or ModelUnusable, naming what is wrong with it.
    """
    source = config.pose_controlnet
    if source is None:
        return None
    shown = f"{CALLED} {shown_name(source)}"
    if not family.controlled:
        raise ModelUnusable(f"{shown} cannot be used: {family.title} does not support ControlNets")
    network = read_network(ControlNetModel, source, CALLED, denoiser_of(pipeline).dtype)
    for key in SHARED:
        own, models = (_plain(each.config.get(key)) for each in (network, pipeline.unet))
        if own != models:
            raise ModelUnusable(f"{shown} does not fit the model: its {key} is {own}, the model's {models}")
    return network.to(pipeline._execution_device).requires_grad_(False)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
