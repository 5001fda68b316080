"""Build tiny random-weight Stable Diffusion pipelines, saved as diffusers folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}

DISTILLED: dict[str, Any] = {"time_cond_proj_dim": 16}
"""Configuration of a guidance-distilled UNet: it reads the scale as a vector (256 in real models)."""


WIDTH = 32


BOS, EOS = "<|startoftext|>", "<|endoftext|>"


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_sd1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 1: predicts the noise, PNDM."""
    torch.manual_seed(1)
    unet = _unet(attention_head_dim=8)
    scheduler = PNDMScheduler(**BETAS, skip_prk_steps=True, set_alpha_to_one=False, steps_offset=1)
    return _save_sd(tmp_path_factory.mktemp("models") / "tiny-sd1", unet, "quick_gelu", scheduler)


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 2: predicts the velocity, DDIM, OpenCLIP's activation, linear projections."""
    torch.manual_seed(2)
    unet = _unet(attention_head_dim=[4, 8], use_linear_projection=True)
    scheduler = DDIMScheduler(
        **BETAS, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )
    return _save_sd(tmp_path_factory.mktemp("models") / "tiny-sd2", unet, "gelu", scheduler)


@pytest.fixture(scope="session")
def tiny_sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion XL: two text encoders, sizes and pooled text as time embeddings, Euler."""
    return _save_xl(tmp_path_factory.mktemp("models") / "tiny-sdxl", WIDTH)


@pytest.fixture(scope="session")
def tiny_sdxl_of_two_widths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the text encoders two widths, as in real models: by them diffusers knows each in a single file."""
    return _save_xl(tmp_path_factory.mktemp("models") / "tiny-sdxl", 2 * WIDTH)


@pytest.fixture(scope="session")
def tiny_sd1_distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 1 as a latent consistency model: the UNet reads the guidance scale."""
    torch.manual_seed(4)
    unet = _unet(attention_head_dim=8, **DISTILLED)
    scheduler = LCMScheduler(**BETAS, steps_offset=1)
    return _save_sd(tmp_path_factory.mktemp("models") / "tiny-sd1-distilled", unet, "quick_gelu", scheduler)


@pytest.fixture(scope="session")
def tiny_sdxl_distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion XL with the UNet and the scheduler of a latent consistency model."""
    scheduler = LCMScheduler(**BETAS, timestep_spacing="leading", steps_offset=1)
    folder = tmp_path_factory.mktemp("models") / "tiny-sdxl-distilled"
    return _save_xl(folder, WIDTH, scheduler, **DISTILLED)


def _save_xl(folder: Path, width_2: int, scheduler: Any = None, **changes: Any) -> Path:
    torch.manual_seed(3)
    time_width = 8
    unet = _unet(
        attention_head_dim=[4, 8],
        use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH + width_2,
        addition_embed_type="text_time",
        addition_time_embed_dim=time_width,
        projection_class_embeddings_input_dim=6 * time_width + width_2,
        **changes,
    )
    tokenizer = _tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(scaling_factor=0.13025),
        text_encoder=CLIPTextModel(_text_config(tokenizer, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, "gelu", width_2)),
        tokenizer=tokenizer,
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=scheduler or EulerDiscreteScheduler(**BETAS, timestep_spacing="leading", steps_offset=1),
    )
    pipeline.save_pretrained(folder)
    return folder


def _save_sd(folder: Path, unet: UNet2DConditionModel, activation: str, scheduler: Any) -> Path:
    tokenizer = _tokenizer()
    text_encoder = CLIPTextModel(_text_config(tokenizer, activation))
    pipeline = StableDiffusionPipeline(
        _vae(), text_encoder, tokenizer, unet, scheduler, None, None, requires_safety_checker=False
    )
    pipeline.save_pretrained(folder)
    return folder


def _unet(**changes: Any) -> UNet2DConditionModel:
    shape: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (WIDTH, 2 * WIDTH),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": WIDTH,
        "norm_num_groups": 8,
    }
    return UNet2DConditionModel(**(shape | changes))


def _vae(**changes: Any) -> AutoencoderKL:
    """Make an autoencoder of four levels, so that its latent factor is 8, like the real ones'."""
    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        **changes,
    )


def _text_config(tokenizer: CLIPTokenizer, activation: str, width: int = WIDTH) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=2 * WIDTH,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        hidden_act=activation,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _tokenizer() -> CLIPTokenizer:
    """Make one that spells words letter by letter. transformers 5 ignores vocabulary and merges in files."""
    letters = sorted(ByteLevel.alphabet())
    words = [BOS, EOS, *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)
