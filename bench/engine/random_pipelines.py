"""Pipelines of the real ones' sizes with random weights: a forward takes as long whatever its weights say."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
)

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
VAE_WIDTHS = {"full": (128, 256, 512, 512), "tiny": (8, 8, 8, 8)}


def random_pipeline(family: str, scale: str, device: str, dtype: torch.dtype) -> Any:
    """Build `family` sd15, sdxl or dit at `scale` full or tiny; on its device, the UNets in channels-last."""
    torch.manual_seed(0)
    if family == "dit":
        pipeline = _dit(scale)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device, dtype)
    pipeline = _sdxl(scale) if family == "sdxl" else _sd15(scale)
    pipeline.set_progress_bar_config(disable=True)
    for convolutional in (pipeline.unet, pipeline.vae):
        convolutional.to(memory_format=torch.channels_last)
    return pipeline.to(device, dtype)


def _sd15(scale: str) -> Any:
    tiny = scale == "tiny"
    width = 32 if tiny else 768
    unet = UNet2DConditionModel(
        sample_size=64,
        cross_attention_dim=width,
        attention_head_dim=8,
        **(_tiny_blocks() if tiny else {"block_out_channels": (320, 640, 1280, 1280)}),
    )
    tokenizer = _tokenizer()
    text_encoder = CLIPTextModel(_text(tokenizer, width, *((2, 4) if tiny else (12, 12))))
    return StableDiffusionPipeline(
        _vae(scale, 0.18215),
        text_encoder,
        tokenizer,
        unet,
        _solver(),
        None,
        None,
        requires_safety_checker=False,
    )


def _sdxl(scale: str) -> Any:
    """Build after the base model's published configuration: three levels, the depth in the last two."""
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
    unet = UNet2DConditionModel(
        sample_size=128,
        cross_attention_dim=sum(widths),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=time_width,
        projection_class_embeddings_input_dim=6 * time_width + widths[1],
        **(_tiny_blocks() | {"attention_head_dim": (4, 8)} if tiny else full),
    )
    tokenizer = _tokenizer()
    return StableDiffusionXLPipeline(
        vae=_vae(scale, 0.13025),
        text_encoder=CLIPTextModel(_text(tokenizer, widths[0], *((2, 4) if tiny else (12, 12)))),
        text_encoder_2=CLIPTextModelWithProjection(
            _text(tokenizer, widths[1], *((2, 4) if tiny else (32, 20)))
        ),
        tokenizer=tokenizer,
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=_solver(),
    )


def _dit(scale: str) -> Any:
    """Build PixArt-Sigma's transformer, of 109 M parameters in place of 610 M; its words by a small T5."""
    tiny = scale == "tiny"
    tokenizer = _tokenizer()
    heads, head_width, layers = (2, 16, 2) if tiny else (12, 64, 10)
    width = heads * head_width
    text = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, dropout_rate=0.0
    )
    transformer = PixArtTransformer2DModel(
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
    vae = _vae("tiny", 0.13025)
    return PixArtSigmaPipeline(tokenizer, T5EncoderModel(text), vae, transformer, _solver())


def _tiny_blocks() -> dict[str, Any]:
    return {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 8,
    }


def _solver() -> Any:
    return DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )


def _vae(scale: str, scaling_factor: float) -> AutoencoderKL:
    tiny = scale == "tiny"
    return AutoencoderKL(
        block_out_channels=VAE_WIDTHS[scale],
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1 if tiny else 2,
        latent_channels=4,
        norm_num_groups=4 if tiny else 32,
        sample_size=512,
        scaling_factor=scaling_factor,
    )


def _text(tokenizer: CLIPTokenizer, width: int, layers: int, heads: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _tokenizer() -> CLIPTokenizer:
    """Spell every word letter by letter: the UNet always reads 77 tokens."""
    letters = sorted(ByteLevel.alphabet())
    words = [BOS, EOS, *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)
