"""Paint each family's stock picture on a GPU, whatever shares its forwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from bench.engine.random_pipelines import random_pipeline
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.model.call_arguments import call_arguments
from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.families import family_of_pipeline
from deployments.diffusion.model.model_config import GenerationConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.messages import LayerJob, LayerResult

FAMILIES = ("sd15", "sdxl", "sd35", "flux", "dit")
ASKED = PaintRequest("a red knight", None, 4, 3.0, 11, 64, 96)
CLOSE = 1e-4
PEERS = [
    replace(ASKED, seed=1, num_inference_steps=6, guidance_scale=2.0),
    replace(ASKED, seed=2, prompt="a witch in a long red coat"),
    replace(ASKED, seed=3, guidance_scale=1.0, num_inference_steps=3),
]
Floats = np.ndarray[Any, Any]
Painter = Denoiser | PipelinePainter


def half(family: str, device: str) -> torch.dtype:
    if device == "cpu":
        return torch.float32
    return torch.float16 if family in ("sd15", "sdxl", "dit") else torch.bfloat16


@cache
def stock_of(family: str, device: str, dtype: torch.dtype) -> Any:
    return random_pipeline(family, "tiny", device, dtype)


def stock(family: str, device: str, dtype: torch.dtype, request: PaintRequest) -> Floats:
    """Return what the pipeline paints, called as diffusers documents it, in floats from 0 to 1."""
    pipeline = stock_of(family, device, dtype)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    asked = call_arguments(family_of_pipeline(pipeline), request)
    return pipeline(**asked, generator=generator, output_type="np").images[0]  # type: ignore[no-any-return]


@cache
def painters(family: str, device: str, dtype: torch.dtype, exact: bool = False) -> list[Painter]:
    """Return every painter for this family, each with its own networks of the same random weights."""
    kinds: list[type[Any]] = [PipelinePainter, *[Denoiser] * (family in ("sd15", "sdxl"))]
    made = []
    for kind in kinds:
        painter = kind(ModelConfig(f"random-{family}", exact=exact))
        painter.native_size = (64, 64)
        painter.adopt(random_pipeline(family, "tiny", device, dtype))
        made.append(painter)
    return made


def crowd(painter: Any, requests: Sequence[PaintRequest]) -> list[Floats]:
    """Begin one picture before each step, step them together, and decode each alone."""
    waiting, here, pictures = list(requests), {}, {}
    while waiting or here:
        if waiting:
            request = waiting.pop(0)
            here[request] = painter.begin(request)
        painter.step(list(here.values()))
        for request, painting in list(here.items()):
            assert painting.fault is None
            if painting.done == painting.steps:
                pictures[request] = painter.decode([here.pop(request)])[0] / np.float32(255)
                painting.close()
    return [pictures[request] for request in requests]


def apart(one: Floats, other: Floats) -> float:
    return float(np.abs(one.astype(np.float64) - other.astype(np.float64)).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_in_company_each_is_the_stock_pipelines(family: str, device: str) -> None:
    """Compare within half an 8-bit level, as decoded pixels are bytes; another request differs far more."""
    requests = [ASKED, *PEERS]
    for painter in painters(family, device, torch.float32):
        for request, picture in zip(requests, crowd(painter, requests), strict=True):
            assert apart(picture, stock(family, device, torch.float32, request)) < 1 / 255 / 2 + CLOSE
    other = stock(family, device, torch.float32, replace(ASKED, seed=12))
    assert apart(other, stock(family, device, torch.float32, ASKED)) > 10 / 255


@pytest.mark.parametrize("family", FAMILIES)
def test_alone_in_half_precision_it_is_the_stock_pipelines(family: str, device: str) -> None:
    dtype = half(family, device)
    expected = stock(family, device, dtype, ASKED)
    for painter in painters(family, device, dtype):
        [picture] = crowd(painter, [ASKED])
        assert apart(picture, expected) < 1 / 255 / 2 + CLOSE


@pytest.mark.parametrize("family", FAMILIES)
def test_exactly_not_one_bit_depends_on_the_peers(family: str, device: str) -> None:
    for painter in painters(family, device, half(family, device), exact=True):
        [alone] = crowd(painter, [ASKED])
        for together in ([ASKED, *PEERS], [*PEERS, ASKED]):
            picture = crowd(painter, together)[together.index(ASKED)]
            assert np.array_equal(picture, alone)


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_a_real_lack_of_memory_halves_the_forward_and_loses_nothing(family: str, device: str) -> None:
    """More than four rows request a petabyte."""
    [painter, *_] = painters(family, device, torch.float32)
    network: Any = painter._denoiser  # type: ignore[union-attr]
    refused: list[int] = []

    def full(module: Any, positional: Any, named: Any) -> None:
        rows = len(positional[0] if positional else next(iter(named.values())))
        if rows > 4:
            refused.append(rows)
            torch.empty(1 << 50, dtype=torch.uint8, device=device)

    hook = network.register_forward_pre_hook(full, with_kwargs=True)
    try:
        requests = [replace(ASKED, seed=seed, num_inference_steps=6) for seed in range(8)]
        for request, painted in zip(requests, asyncio.run(_through_engine(painter, requests)), strict=True):
            assert isinstance(painted, LayerResult) and painted.degraded == ()
            expected = stock(family, device, torch.float32, request)
            assert apart(painted.pixels / np.float32(255), expected) < 1 / 255 / 2 + CLOSE
    finally:
        hook.remove()
    assert refused


async def _through_engine(painter: Any, requests: Sequence[PaintRequest]) -> list[Any]:
    engine = Engine(
        painter, lambda pixels: None, lambda job: np.zeros((1, 1, 3), np.uint8), GenerationConfig()
    )
    engine.start()

    async def result(request: PaintRequest) -> LayerResult:
        job = LayerJob(
            request_id="gpu",
            kind="character",
            prompt=request.prompt,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            seed=request.seed,
            width_px=request.width_px,
            height_px=request.height_px,
            deadline_at=time.monotonic() + 300,
            no_store=True,
        )
        async for event in engine.submit(job, request.prompt, ""):
            if isinstance(event, LayerResult):
                return event
        raise AssertionError("no result")

    return list(await asyncio.gather(*map(result, requests), return_exceptions=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cancelled_picture_gives_its_memory_back(family: str, device: str) -> None:
    if device == "cpu":
        pytest.skip("torch does not count a CPU's memory")
    for painter in painters(family, device, torch.float32):
        painter.begin(ASKED).close()  # Fill the cache of encoded prompts.
        before = torch.cuda.memory_allocated()
        paintings: list[Any] = [painter.begin(replace(ASKED, seed=seed)) for seed in range(4)]
        painter.step(paintings)
        assert torch.cuda.memory_allocated() > before
        for painting in paintings:
            painting.close()
        del paintings, painting
        assert torch.cuda.memory_allocated() <= before


@pytest.mark.parametrize("family", ["sdxl", "flux"])
def test_offloaded_networks_paint_the_same(family: str, device: str) -> None:
    if device == "cpu":
        pytest.skip("nothing is offloaded from a CPU")
    pipeline = random_pipeline(family, "tiny", "cpu", torch.float32)
    pipeline.enable_model_cpu_offload()
    painter = PipelinePainter(ModelConfig(f"random-{family}"))
    painter.adopt(pipeline)
    # Its random weights were made on a CPU, so the stock pipeline's must be, too.
    expected = random_pipeline(family, "tiny", "cpu", torch.float32).to(device)
    request = call_arguments(family_of_pipeline(expected), ASKED)
    generator = torch.Generator("cpu").manual_seed(ASKED.seed)
    whole = expected(**request, generator=generator, output_type="np").images[0]
    [picture] = crowd(painter, [ASKED])
    assert apart(picture, whole) < 1 / 255 / 2 + CLOSE
