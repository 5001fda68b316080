"""Paint the stock pipeline's picture on a GPU, within one level, whatever its peers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from diffusers import DiffusionPipeline
from torch import Generator

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.painter import PaintRequest
from deployments.messages import Pixels
from tests.support.denoisers import paint, requested

FAMILIES = ["tiny_sd1", "tiny_sdxl"]
PEERS = [requested(seed=seed, prompt="a witch", num_inference_steps=5) for seed in (1, 2, 3)]


@pytest.fixture(params=FAMILIES)
def folder(request: pytest.FixtureRequest, device: str) -> Path:
    made: Path = request.getfixturevalue(request.param)
    return made


def denoiser_of(folder: Path, device: str, exact: bool) -> Denoiser:
    config = ModelConfig(str(folder), device=device, dtype="float32", exact=exact)  # type: ignore[arg-type]
    made = Denoiser(config)
    made.load()
    return made


def beside(denoiser: Denoiser, subject: PaintRequest, peers: Sequence[PaintRequest]) -> Pixels:
    """Paint the subject together with its peers, and return its picture."""
    paintings = [denoiser.begin(request) for request in (*peers, subject)]
    while paintings[-1].done < paintings[-1].steps:
        denoiser.step([each for each in paintings if each.done < each.steps])
    return denoiser.decode([paintings[-1]])[0]


def levels_apart(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


def test_a_picture_is_the_stock_pipelines_alone_and_beside_others(folder: Path, device: str) -> None:
    request = requested()
    pipeline = DiffusionPipeline.from_pretrained(folder).to(device)
    pipeline.set_progress_bar_config(disable=True)
    [stock] = pipeline(
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        width=request.width_px,
        height=request.height_px,
        generator=Generator("cpu").manual_seed(request.seed),
    ).images
    denoiser = denoiser_of(folder, device, exact=False)
    assert levels_apart(paint(denoiser, request), np.asarray(stock)) <= 1
    assert levels_apart(beside(denoiser, request, PEERS), np.asarray(stock)) <= 1


def test_with_fixed_rows_it_is_bitwise_the_same_whatever_its_peers(folder: Path, device: str) -> None:
    denoiser = denoiser_of(folder, device, exact=True)
    alone = paint(denoiser, requested())
    assert np.array_equal(beside(denoiser, requested(), PEERS), alone)
    assert np.array_equal(beside(denoiser, requested(), PEERS[:1]), alone)
    assert not np.array_equal(paint(denoiser, replace(requested(), seed=12)), alone)
