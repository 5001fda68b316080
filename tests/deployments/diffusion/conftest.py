"""Tiny random-weight pipelines of each family, saved as diffusers folders: built once, painted in a blink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from deployments.diffusion.painter import Painting, PaintRequest, guided_rows
from deployments.messages import Backend, Pixels
from tests.support import tiny_families

BETAS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
WIDTH = 32
BOS, EOS = "<|startoftext|>", "<|endoftext|>"


class FakePainter:
    """Paints its seed. Each step waits for a turn of the gate, where it has one, so that a test decides when.

    `forwards`: the (prompt, step) of each; `before` and `on_decode` may raise.
    """

    model = "fake"
    backend: Backend = "simulated"
    native_size = (64, 64)
    latent_factor = 8
    fixed_rows: int | None = None
    fingerprint = "fake"

    def __init__(self, gate: threading.Semaphore | None = None) -> None:
        self.gate = gate
        self.loaded = False
        self.load_error: Exception | None = None
        self.loads = self.frees = 0
        self.begun: list[PaintRequest] = []
        self.forwards: list[list[tuple[str, int]]] = []
        self.decoded: list[list[str]] = []
        self.before: Callable[[Sequence[Painting]], object] = lambda paintings: None
        self.on_decode: Callable[[Sequence[Painting]], object] = lambda paintings: None
        self.shade: Callable[[PaintRequest], int] = lambda request: request.seed % 256

    def load(self) -> None:
        if self.load_error:
            raise self.load_error
        self.loads += not self.loaded
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    def free(self) -> None:
        self.frees += 1

    def measure(self, rows: int) -> float:
        return 1e-4

    def first_forwards(self, request: PaintRequest) -> Sequence[int]:
        return [guided_rows(request)]

    def begin(self, request: PaintRequest) -> Painting:
        if request.prompt != "warm-up":
            self.begun.append(request)
        return Painting(
            request, request.num_inference_steps, request.guidance_scale > 1, warnings=("a warning",)
        )

    def step(self, paintings: Sequence[Painting]) -> None:
        prompts = [(painting.request.prompt, painting.done + 1) for painting in paintings]
        if prompts[0][0] != "warm-up":
            if self.gate is not None:
                assert self.gate.acquire(timeout=60)
            self.before(paintings)
            self.forwards.append(prompts)
        for painting in paintings:
            painting.done += 1
            if painting.done in painting.preview_steps:
                painting.preview = np.zeros((8, 8, 3), np.uint8)

    def decode(self, paintings: Sequence[Painting]) -> list[Pixels]:
        if paintings[0].request.prompt != "warm-up":
            self.on_decode(paintings)
            self.decoded.append([painting.request.prompt for painting in paintings])
        asked = [painting.request for painting in paintings]
        return [np.full((each.height_px, each.width_px, 3), self.shade(each), np.uint8) for each in asked]


@pytest.fixture
def fake_painter() -> FakePainter:
    return FakePainter()


@pytest.fixture
def gated_painter() -> FakePainter:
    return FakePainter(threading.Semaphore(0))


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def paint() -> Callable[[Any], Any]:
    """A pipeline's picture of 64 x 64 after two steps, always from the same seed."""

    def two_steps(pipeline: Any) -> Any:
        asked: dict[str, Any] = {"num_inference_steps": 2, "width": 64, "height": 64, "output_type": "np"}
        return pipeline("a red knight", **asked, generator=torch.Generator().manual_seed(7)).images[0]

    return two_steps


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
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a family's tiny random model, made once: see tiny_families.py."""

    @cache
    def made(name: str) -> Path:
        if name == "kolors":
            pytest.importorskip("sentencepiece")
        return tiny_families.save(name, tmp_path_factory.mktemp("models") / f"tiny-{name}")

    return made


@pytest.fixture(scope="session")
def tiny_sdxl_of_two_widths(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the real one is; diffusers tells the text encoders of a single file by their widths."""
    return _save_xl(tmp_path_factory.mktemp("models") / "tiny-sdxl", 2 * WIDTH)


def _save_xl(folder: Path, width_2: int) -> Path:
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
    )
    tokenizer = _tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(scaling_factor=0.13025),
        text_encoder=CLIPTextModel(_text_config(tokenizer, "quick_gelu")),
        text_encoder_2=CLIPTextModelWithProjection(_text_config(tokenizer, "gelu", width_2)),
        tokenizer=tokenizer,
        tokenizer_2=_tokenizer(),
        unet=unet,
        scheduler=EulerDiscreteScheduler(**BETAS, timestep_spacing="leading", steps_offset=1),
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
    """Four levels, so that the latent factor is the 8 of the real ones."""
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
    """Spells every word letter by letter. Given as files, transformers 5 ignores vocabulary and merges."""
    letters = sorted(ByteLevel.alphabet())
    words = [BOS, EOS, *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=77)
