"""Build pipelines of real sizes with random weights: the weights do not change how long a forward takes."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.utils import logging
from transformers import CLIPTextModel, CLIPTextModelWithProjection, T5EncoderModel

from bench.engine.random_networks import (
    Maker,
    clip_config,
    letter_tokenizer,
    random_vae,
    solver,
    t5_config,
    tiny_blocks,
)


def random_pipeline(family: str, scale: str, device: str, dtype: torch.dtype) -> Any:
    """Build `family` sd15, sdxl, sd35, flux or dit at `scale` full or tiny; UNets in channels-last.

    Its denoiser and VAE have the published sizes, and so do the text embeddings that the denoiser reads. The
    text encoders of sd35, flux and dit are small, since they run once per picture.
    """
    torch.manual_seed(0)
    made = Maker(device, dtype)
    pipeline = {"sd15": _sd15, "sdxl": _sdxl, "sd35": _sd35, "flux": _flux, "dit": _dit}[family](scale, made)
    pipeline.set_progress_bar_config(disable=True)
    for convolutional in ("unet", "vae"):
        network = getattr(pipeline, convolutional, None)
        if network is not None and family != "dit":
            network.to(memory_format=torch.channels_last)
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # It warns of each network that it casts. These have the dtype already.
    try:
        return pipeline.to(device, dtype)
    finally:
        logging.set_verbosity(before)


def _sd15(scale: str, made: Maker) -> Any:
    tiny = scale == "tiny"
    width = 32 if tiny else 768
    unet = made(
        UNet2DConditionModel,
        sample_size=64,
        cross_attention_dim=width,
        attention_head_dim=8,
        **(tiny_blocks() if tiny else {"block_out_channels": (320, 640, 1280, 1280)}),
    )
    tokenizer = letter_tokenizer()
    text_encoder = made(CLIPTextModel, clip_config(tokenizer, width, *((2, 4) if tiny else (12, 12))))
    return StableDiffusionPipeline(
        random_vae(scale, made, 0.18215),
        text_encoder,
        tokenizer,
        unet,
        solver(),
        None,
        None,
        requires_safety_checker=False,
    )


def _sdxl(scale: str, made: Maker) -> Any:
    """Build the base model's published configuration: three levels, with the depth in the last two."""
    tiny = scale == "tiny"
    widths = (32, 32) if tiny else (768, 1280)
    full: dict[str, Any] = {
        "block_out_channels": (320, 640, 1280),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2, 10),
        "attention_head_dim": (5, 10, 20),
    }
    time_width = 8 if tiny else 256
    unet = made(
        UNet2DConditionModel,
        sample_size=128,
        cross_attention_dim=sum(widths),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=time_width,
        projection_class_embeddings_input_dim=6 * time_width + widths[1],
        **(tiny_blocks() | {"attention_head_dim": (4, 8)} if tiny else full),
    )
    tokenizer = letter_tokenizer()
    return StableDiffusionXLPipeline(
        vae=random_vae(scale, made, 0.13025),
        text_encoder=made(CLIPTextModel, clip_config(tokenizer, widths[0], *((2, 4) if tiny else (12, 12)))),
        text_encoder_2=made(
            CLIPTextModelWithProjection, clip_config(tokenizer, widths[1], *((2, 4) if tiny else (32, 20)))
        ),
        tokenizer=tokenizer,
        tokenizer_2=letter_tokenizer(),
        unet=unet,
        scheduler=solver(),
    )


def _dit(scale: str, made: Maker) -> Any:
    """Build PixArt-Sigma's transformer with 109 M parameters instead of 610 M, and a small T5 encoder."""
    tiny = scale == "tiny"
    tokenizer = letter_tokenizer()
    heads, head_width, layers = (2, 16, 2) if tiny else (12, 64, 10)
    width = heads * head_width
    transformer = made(
        PixArtTransformer2DModel,
        num_attention_heads=heads,
        attention_head_dim=head_width,
        num_layers=layers,
        in_channels=4,
        out_channels=8,
        cross_attention_dim=width,
        caption_channels=64,
        sample_size=128,
        use_additional_conditions=False,
    )
    vae = random_vae("tiny", made, 0.13025)
    encoder = made(T5EncoderModel, t5_config(tokenizer, 64))
    return PixArtSigmaPipeline(tokenizer, encoder, vae, transformer, solver())


def _sd35(scale: str, made: Maker) -> Any:
    """Build a model like Stable Diffusion 3.5 Large: 38 blocks, 8 billion parameters."""
    tiny = scale == "tiny"
    heads, head_width, layers = (2, 16, 2) if tiny else (38, 64, 38)
    widths, read = ((32, 32), 64) if tiny else ((768, 1280), 4096)
    tokenizer = letter_tokenizer()
    transformer = made(
        SD3Transformer2DModel,
        sample_size=128,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=layers,
        attention_head_dim=head_width,
        num_attention_heads=heads,
        joint_attention_dim=read,
        caption_projection_dim=heads * head_width,
        pooled_projection_dim=sum(widths),
        pos_embed_max_size=192,
        qk_norm="rms_norm",
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=random_vae(scale, made, 1.5305, latent_channels=16, shift_factor=0.0609),
        text_encoder=made(CLIPTextModelWithProjection, clip_config(tokenizer, widths[0], 2, 4)),
        tokenizer=tokenizer,
        text_encoder_2=made(CLIPTextModelWithProjection, clip_config(tokenizer, widths[1], 2, 4)),
        tokenizer_2=letter_tokenizer(),
        text_encoder_3=made(T5EncoderModel, t5_config(tokenizer, read)),
        tokenizer_3=letter_tokenizer(),
    )


def _flux(scale: str, made: Maker) -> Any:
    """Build a model like FLUX.1 [dev]: 19 double and 38 single blocks, 12 billion parameters."""
    tiny = scale == "tiny"
    heads, head_width, double, single = (2, 16, 1, 1) if tiny else (24, 128, 19, 38)
    pooled, read = (32, 64) if tiny else (768, 4096)
    tokenizer = letter_tokenizer()
    transformer = made(
        FluxTransformer2DModel,
        patch_size=1,
        in_channels=64,
        num_layers=double,
        num_single_layers=single,
        attention_head_dim=head_width,
        num_attention_heads=heads,
        joint_attention_dim=read,
        pooled_projection_dim=pooled,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6) if tiny else (16, 56, 56),
    )
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae=random_vae(scale, made, 0.3611, latent_channels=16, shift_factor=0.1159),
        text_encoder=made(CLIPTextModel, clip_config(tokenizer, pooled, 2, 4)),
        tokenizer=tokenizer,
        text_encoder_2=made(T5EncoderModel, t5_config(tokenizer, read)),
        tokenizer_2=letter_tokenizer(),
        transformer=transformer,
    )
