"""Suspend a pipeline at its network calls, and stop it there."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from deployments.diffusion.model.batched_calls import run_together
from deployments.diffusion.model.families import family_named
from deployments.diffusion.model.pipeline_copy import PipelineCopies
from deployments.diffusion.model.pipeline_run import PipelineRun

ASKED: dict[str, Any] = {
    "prompt": "a red knight",
    "negative_prompt": "blurry",
    "num_inference_steps": 3,
    "guidance_scale": 7.5,
    "width": 64,
    "height": 64,
    "output_type": "np",
}
SD1 = family_named("sd1")
Begin = Callable[..., PipelineRun]


@pytest.fixture(scope="module")
def pipeline(tiny_sd1: Path) -> Any:
    return DiffusionPipeline.from_pretrained(tiny_sd1)


@pytest.fixture
def begin(pipeline: Any) -> Begin:
    copies = PipelineCopies(pipeline, SD1, 4, exact=False)

    def run(seed: int = 7, **changes: Any) -> PipelineRun:
        generator = torch.Generator().manual_seed(seed)
        return PipelineRun(copies, ASKED | {"generator": generator} | changes)

    return run


def response(pipeline: Any, run: PipelineRun) -> Any:
    network = pipeline.unet if run.at == "denoiser" else pipeline.vae.decode
    with torch.no_grad():
        return run_together(network, [run.call])[0]


@torch.inference_mode()
def test_it_stops_at_each_call_and_ends_with_the_stock_pipelines_picture(pipeline: Any, begin: Begin) -> None:
    run = begin()
    assert (run.at, run.steps, run.progress.done) == ("denoiser", 4, 0), "PNDM takes one more"
    stops = []
    while run.at != "end":
        stops.append((run.at, run.progress.done))
        run.resume(response(pipeline, run))
    assert stops == [*(("denoiser", done) for done in range(4)), ("decoder", 4)]
    stock = pipeline(**ASKED, generator=torch.Generator().manual_seed(7)).images
    assert (run.output.images == stock).all()


@torch.inference_mode()
def test_nothing_of_a_request_is_written_into_what_all_share(pipeline: Any, begin: Begin) -> None:
    before = dict(pipeline.__dict__), dict(pipeline.config), dict(pipeline.scheduler.__dict__)
    run = begin(guidance_scale=3.0)
    other = begin(num_inference_steps=9)
    while run.at != "end":
        run.resume(response(pipeline, run))
    assert (dict(pipeline.__dict__), dict(pipeline.config), dict(pipeline.scheduler.__dict__)) == before
    assert (other.steps, other.progress.done, other.call.rows) == (10, 0, 2)


@torch.inference_mode()
def test_stopped_in_a_step_it_unwinds_and_frees_what_it_holds(pipeline: Any, begin: Begin) -> None:
    run = begin()
    run.resume(response(pipeline, run))
    held = [weakref.ref(run.call.positional[0]), weakref.ref(run._pipeline)]
    run.close()
    run.close()
    gc.collect()
    assert run.at == "end"
    assert [each() for each in held] == [None, None]


@torch.inference_mode()
@pytest.mark.parametrize("steps", [0, 2])
def test_left_alone_it_is_freed_too(pipeline: Any, begin: Begin, steps: int) -> None:
    """A suspended pipeline is in no reference cycle, which could not be collected."""
    run = begin()
    for _ in range(steps):
        run.resume(response(pipeline, run))
    held = weakref.ref(run.call.positional[0])
    del run
    assert held() is None


def test_a_pipeline_that_goes_on_while_it_is_stopped_is_ended(pipeline: Any) -> None:
    ends: list[str] = []

    class Stubborn(type(pipeline)):  # type: ignore[misc]
        def __call__(self, **requested: Any) -> Any:
            try:
                return super().__call__(**requested)
            finally:
                ends.append("finally")
                self.unet(torch.zeros(1, 4, 8, 8), 1, encoder_hidden_states=None)

    stubborn = Stubborn(**pipeline.components, requires_safety_checker=False)
    run = PipelineRun(PipelineCopies(stubborn, SD1, 4, exact=False), ASKED)
    run.close()
    assert (run.at, ends) == ("end", ["finally"])


@torch.inference_mode()
def test_what_a_pipeline_raises_ends_it(pipeline: Any, begin: Begin) -> None:
    run = begin()
    with pytest.raises(TypeError, match="not subscriptable"):
        run.resume(None)
    assert run.at == "end"
    with pytest.raises(ValueError, match="divisible by 8"):
        begin(width=65)


@pytest.mark.parametrize("inference", [True, False])
def test_gradients_stay_as_they_were(pipeline: Any, begin: Begin, inference: bool) -> None:
    """Torch's mode belongs to the thread, and pipelines that set it end in any order and in any way."""
    before = torch.is_grad_enabled()
    for gradients in (True, False):
        with torch.set_grad_enabled(gradients):
            with torch.inference_mode(inference):
                first, second, third = begin(), begin(num_inference_steps=1), begin()
                while second.at != "end":
                    second.resume(response(pipeline, second))
                    first.resume(response(pipeline, first))
            assert torch.is_grad_enabled() == gradients
            first.close()
            assert torch.is_grad_enabled() == gradients
            del third
            assert torch.is_grad_enabled() == gradients
    assert torch.is_grad_enabled() == before


class Half(torch.nn.Module):
    """A VAE in half precision that cannot decode in it, like Stable Diffusion XL's."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1, dtype=torch.float16))
        self.config = type("Config", (), {"force_upcast": True})()

    @property
    def dtype(self) -> torch.dtype:
        return self.weight.dtype

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        assert z.dtype == self.dtype == torch.float32
        return z


def test_a_vae_that_one_pipeline_casts_stays_as_it_is_for_the_others() -> None:
    class Casting:
        _execution_device = "cpu"
        unet: Any = torch.nn.Linear(2, 2)
        scheduler = type("Scheduler", (), {"step": lambda *requested: None})()

        def __init__(self) -> None:
            self.vae: Any = Half()
            self.unet.config = {}

        def encode_prompt(self) -> None: ...

        def upcast_vae(self) -> None:
            self.vae.to(dtype=torch.float32)

        def __call__(self) -> Any:
            needs_upcasting = self.vae.dtype == torch.float16
            if needs_upcasting:
                self.upcast_vae()
            picture = self.vae.decode(torch.ones(1).to(self.vae.dtype))
            if needs_upcasting:
                self.vae.to(dtype=torch.float16)
            return picture

    casting = Casting()
    copies = PipelineCopies(casting, SD1, 4, exact=False)
    first, second = PipelineRun(copies, {}), PipelineRun(copies, {})
    for run in (first, second):
        run.resume(run_together(casting.vae.decode, [run.call])[0])
    third = PipelineRun(copies, {})
    third.resume(run_together(casting.vae.decode, [third.call])[0])
    assert [run.output.dtype for run in (first, second, third)] == [torch.float32] * 3
