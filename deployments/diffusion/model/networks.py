"""Find a pipeline's networks, whatever its family calls them."""

from __future__ import annotations

from typing import Any

DENOISERS = ("transformer", "unet")
XL_SCALING_FACTOR = 0.13025
"""Scaling factor of Stable Diffusion XL's VAE, also in PixArt-Sigma, HunyuanDiT, Kolors and AuraFlow."""


def denoiser_name(pipeline: Any) -> str:
    """Return the attribute under which a pipeline keeps its denoiser."""
    return next(name for name in DENOISERS if getattr(pipeline, name, None) is not None)


def denoiser_of(pipeline: Any) -> Any:
    return getattr(pipeline, denoiser_name(pipeline))


def latent_channels(pipeline: Any) -> int:
    """Return the number of channels in a picture's latents, according to the VAE."""
    config = pipeline.vae.config
    return int(config.get("latent_channels") or config.get("z_dim") or 4)


def has_xl_latents(pipeline: Any) -> bool:
    scaling_factor = pipeline.vae.config.get("scaling_factor")
    return hasattr(pipeline, "text_encoder_2") or scaling_factor == XL_SCALING_FACTOR
