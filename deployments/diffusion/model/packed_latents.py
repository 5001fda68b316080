"""Lay out a picture's latents as an image for a preview, with its pipeline's own methods."""

from __future__ import annotations

from typing import Any

from deployments.diffusion.painter import PaintRequest


def as_image(pipeline: Any, latents: Any, request: PaintRequest) -> Any:
    """Return latents as (1, channels, h, w). Some families have each patch as a token."""
    if latents.ndim == 3:
        latents = _unpacked(pipeline, latents, request)
    return latents.squeeze(2) if latents.ndim == 5 else latents


def _unpacked(pipeline: Any, latents: Any, request: PaintRequest) -> Any:
    if hasattr(pipeline, "_unpack_latents"):
        size = request.height_px, request.width_px
        return pipeline._unpack_latents(latents, *size, pipeline.vae_scale_factor)
    # FLUX.2 packs a second time, and normalises by the statistics of its VAE.
    patch_px = 2 * pipeline.vae_scale_factor
    height, width = request.height_px // patch_px, request.width_px // patch_px
    image = latents.transpose(1, 2).reshape(1, -1, height, width)
    statistics = pipeline.vae.bn
    mean, variance = (each.view(1, -1, 1, 1) for each in (statistics.running_mean, statistics.running_var))
    deviation = (variance + pipeline.vae.config.batch_norm_eps) ** 0.5
    return pipeline._unpatchify_latents(image * deviation.to(image.dtype) + mean.to(image.dtype))
