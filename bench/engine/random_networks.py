"""Make networks with random weights, and their configurations, for random_pipelines.py."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTokenizer, T5Config

BOS, EOS = "<|startoftext|>", "<|endoftext|>"
VAE_WIDTHS = {"full": (128, 256, 512, 512), "tiny": (8, 8, 8, 8)}


class Maker:
    """Make networks on their device and in their dtype: twelve billion weights on a CPU take minutes."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        self._device = device
        self._dtype = dtype

    def __call__(self, kind: Any, *arguments: Any, **named: Any) -> Any:
        before = torch.get_default_dtype()
        torch.set_default_dtype(self._dtype)
        try:
            with torch.device(self._device):
                return kind(*arguments, **named).eval().requires_grad_(False)
        finally:
            torch.set_default_dtype(before)


def t5_config(tokenizer: CLIPTokenizer, width: int) -> T5Config:
    return T5Config(
        vocab_size=len(tokenizer),
        d_model=width,
        d_kv=16,
        d_ff=128,
        num_layers=2,
        num_heads=4,
        dropout_rate=0.0,
    )


def tiny_blocks() -> dict[str, Any]:
    return {
        "block_out_channels": (32, 64),
        "layers_per_block": 1,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 8,
    }


def solver() -> Any:
    return DPMSolverMultistepScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )


def random_vae(scale: str, made: Maker, scaling_factor: float, **more: Any) -> Any:
    tiny = scale == "tiny"
    settings = {"latent_channels": 4} | more
    return made(
        AutoencoderKL,
        block_out_channels=VAE_WIDTHS[scale],
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1 if tiny else 2,
        norm_num_groups=4 if tiny else 32,
        sample_size=512,
        scaling_factor=scaling_factor,
        **settings,
    )


def clip_config(tokenizer: CLIPTokenizer, width: int, layers: int, heads: int) -> CLIPTextConfig:
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


def letter_tokenizer() -> CLIPTokenizer:
    """Spell every word letter by letter: the UNet always reads 77 tokens."""
    letters = sorted(ByteLevel.alphabet())
    words = [BOS, EOS, *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)
