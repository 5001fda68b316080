"""Check by its configuration that a model paints from words alone, before its weights are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deployments.errors import ModelUnusable

LATENT_CHANNELS = 4
"""Latent channels assumed for a VAE whose configuration does not name them."""
Config = Mapping[str, Any]


def check_channels(reads: int, writes: int, latents: int, shown: str) -> None:
    """Raise ModelUnusable unless the UNet maps latents to latents. The numbers count channels."""
    if reads == writes == latents:
        return
    # Besides latents, their UNets read a masked picture and its mask, a picture, a depth map, or RGB.
    tasks = {
        latents + 1: "inpainting",
        latents: "picture editing (InstructPix2Pix)",
        1: "depth to image",
        3: "upscaling",
    }
    task = tasks.get(reads - latents)
    if task is not None:
        raise ModelUnusable(
            f"{shown} is for {task}, not for painting from text alone: "
            f"its UNet reads {reads} channels where text to image has {latents}"
        )
    raise ModelUnusable(
        f"{shown} cannot paint from text alone: its UNet reads {reads} channels and writes {writes}, "
        f"and the latents of its VAE have {latents}"
    )


def check_parts(unet: Config, vae: Config, text_encoders: Sequence[Config], shown: str) -> None:
    """Raise ModelUnusable unless parts with these configurations together paint from text.

    There are two `text_encoders` for Stable Diffusion XL, else one.
    """
    latents = _number(vae, "latent_channels", LATENT_CHANNELS)
    reads = _number(unet, "in_channels", latents)
    check_channels(reads, _number(unet, "out_channels", reads), latents, shown)
    if unet.get("class_embed_type") is not None or unet.get("num_class_embeds") is not None:
        raise ModelUnusable(f"{shown} cannot paint from text alone: its UNet needs class labels too")
    is_xl = len(text_encoders) == 2
    if is_xl != (unet.get("addition_embed_type") == "text_time"):
        raise ModelUnusable(f"{shown}: its UNet and its text encoders are of different families")
    widths = [_number(encoder, "hidden_size", 0) for encoder in text_encoders]
    reads_width = unet.get("cross_attention_dim")
    known = isinstance(reads_width, int) and all(widths) and unet.get("encoder_hid_dim_type") is None
    if known and reads_width != sum(widths):
        raise ModelUnusable(
            f"{shown}: its UNet reads text of width {reads_width}, but its text encoder "
            f"writes {' + '.join(map(str, widths))}: they are of different families"
        )
    if is_xl:
        _check_added(unet, text_encoders[1], shown)


def _check_added(unet: Config, text_encoder_2: Config, shown: str) -> None:
    """Check for Stable Diffusion XL's six numbers and its pooled text. The refiner has five numbers."""
    times = _number(unet, "addition_time_embed_dim", 0)
    read = _number(unet, "projection_class_embeddings_input_dim", 0)
    pooled = _number(text_encoder_2, "projection_dim", 0)
    if times and read and pooled and 6 * times + pooled != read:
        raise ModelUnusable(f"{shown}: its UNet is not that of a Stable Diffusion XL base model")


def _number(config: Config, key: str, default: int) -> int:
    value = config.get(key)
    return value if isinstance(value, int) else default
