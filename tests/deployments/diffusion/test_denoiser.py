from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from deployments.diffusion.config import ModelConfig
from deployments.diffusion.denoiser import Denoiser
from deployments.diffusion.painter import Painted, PaintRequest
from deployments.errors import NotReady, OutOfMemory
from deployments.messages import Pixels

FAMILIES = ["tiny_sd1", "tiny_sd2", "tiny_sdxl"]


def asked(**changes: Any) -> PaintRequest:
    request: dict[str, Any] = {
        "prompt": "a red knight",
        "negative_prompt": "blurry",
        "num_inference_steps": 3,
        "guidance_scale": 7.5,
        "seed": 11,
        "width_px": 64,
        "height_px": 96,
    }
    return PaintRequest(**(request | changes))


def paint(denoiser: Denoiser, request: PaintRequest) -> Painted:
    return denoiser.paint(request, lambda step, steps: None)


@cache
def stock_pipeline(folder: Path) -> Any:
    pipeline: Any = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.unet.to(memory_format=torch.channels_last)
    return pipeline


@cache
def denoiser_of(folder: Path) -> Denoiser:
    made = Denoiser(ModelConfig(str(folder), device="cpu", threads=1))
    made.load()
    return made


def stock(folder: Path, request: PaintRequest) -> Pixels:
    """What diffusers itself paints, asked as its own documentation does."""
    pipeline = stock_pipeline(folder)
    return np.asarray(
        pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            width=request.width_px,
            height=request.height_px,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        ).images[0]
    )


@pytest.fixture(scope="module")
def denoiser(tiny_sd1: Path) -> Denoiser:
    return denoiser_of(tiny_sd1)


@pytest.mark.parametrize("guidance", [7.5, 1.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_pixels_are_diffusers_own(family: str, guidance: float, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(family)
    picture = asked(guidance_scale=guidance)
    painted = paint(denoiser_of(folder), picture)
    assert painted.pixels.dtype == np.uint8
    assert np.array_equal(painted.pixels, stock(folder, picture))
    assert painted.warnings == ()


@pytest.mark.parametrize("negative", ["", "hats"])
def test_the_negative_prompt_is_read(denoiser: Denoiser, tiny_sd1: Path, negative: str) -> None:
    picture = asked(negative_prompt=negative)
    assert np.array_equal(paint(denoiser, picture).pixels, stock(tiny_sd1, picture))
    assert not np.array_equal(paint(denoiser, picture).pixels, paint(denoiser, asked()).pixels)


def test_a_seed_has_one_picture_and_another_seed_another(denoiser: Denoiser) -> None:
    first, again, other = (paint(denoiser, asked(seed=seed)).pixels for seed in (11, 11, 12))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert paint(denoiser, asked(seed=2**53 - 1)).pixels.shape == (96, 64, 3)


def test_the_time_of_each_stage_is_told(denoiser: Denoiser) -> None:
    painted = paint(denoiser, asked())
    assert min(painted.encode_ms, painted.denoise_ms, painted.decode_ms) > 0


@pytest.mark.parametrize(("guidance", "cut"), [(7.5, ["prompt", "negative_prompt"]), (1.0, ["prompt"])])
def test_words_beyond_what_the_model_reads_are_told(
    denoiser: Denoiser, guidance: float, cut: list[str]
) -> None:
    words = "knight " * 40
    painted = paint(denoiser, asked(prompt=words, negative_prompt=words, guidance_scale=guidance))
    assert painted.pixels.shape == (96, 64, 3)
    length = 6 * 40 + 2
    assert painted.warnings == tuple(
        f"{name} is {length} tokens long; the model reads the first 77" for name in cut
    )


def test_each_step_is_told_with_the_number_there_really_are(denoiser: Denoiser, tiny_sd2: Path) -> None:
    told: list[tuple[int, int]] = []
    denoiser.paint(asked(), lambda step, steps: told.append((step, steps)))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)], "PNDM takes one more"
    told.clear()
    denoiser_of(tiny_sd2).paint(asked(), lambda step, steps: told.append((step, steps)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_painting_that_is_stopped_leaves_no_trace(denoiser: Denoiser) -> None:
    before, told = paint(denoiser, asked()).pixels, []

    def stop(step: int, steps: int) -> None:
        told.append(step)
        if step == 2:
            raise KeyError

    with pytest.raises(KeyError):
        denoiser.paint(asked(num_inference_steps=30, seed=5), stop)
    assert told == [1, 2]
    assert np.array_equal(paint(denoiser, asked()).pixels, before)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ],
)
def test_no_room_is_out_of_memory_and_the_tensors_go(denoiser: Denoiser, error: RuntimeError) -> None:
    def full(step: int, steps: int) -> None:
        raise error

    with pytest.raises(OutOfMemory) as raised:
        denoiser.paint(asked(), full)
    assert raised.value.__context__ is None, "its frames would keep the tensors that are in the way"
    assert paint(denoiser, asked()).pixels.shape == (96, 64, 3)


def test_another_fault_of_torch_is_no_lack_of_memory(denoiser: Denoiser) -> None:
    def broken(step: int, steps: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        denoiser.paint(asked(), broken)


def test_not_a_number_becomes_black(tiny_sd1: Path) -> None:
    made = Denoiser(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    made.load()
    with torch.no_grad():
        made._pipeline.vae.decoder.conv_out.weight.fill_(float("nan"))
    assert not paint(made, asked()).pixels.any()


def test_it_knows_its_model_and_paints_only_when_loaded(tiny_sdxl: Path) -> None:
    made = Denoiser(ModelConfig(str(tiny_sdxl), device="cpu", threads=1))
    assert (made.model, made.latent_factor, made.native_size, made.loaded) == (
        "tiny-sdxl",
        8,
        (64, 64),
        False,
    )
    with pytest.raises(NotReady):
        paint(made, asked())
    made.load()
    pipeline = made._pipeline
    made.load()
    assert made._pipeline is pipeline
    first = paint(made, asked()).pixels
    made.unload()
    assert not made.loaded
    made.load()
    assert np.array_equal(paint(made, asked()).pixels, first)
