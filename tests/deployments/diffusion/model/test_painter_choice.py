from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.painter_choice import tasks_of, uses_denoiser
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.errors import ModelUnusable
from deployments.generator import GeneratorConfig, _build_painter


def test_auto_takes_the_pipeline_painter_which_can_do_every_task() -> None:
    every, text = ("text_to_image", "image_to_image", "inpainting"), ("text_to_image",)
    for source in ("storybook-background", "stabilityai/stable-diffusion-xl-base-1.0"):
        model = ModelConfig(source)
        assert not uses_denoiser(model) and tasks_of(model) == every
        assert uses_denoiser(replace(model, painter="denoiser"))
        assert tasks_of(replace(model, painter="denoiser")) == text
    assert tasks_of(ModelConfig("somebody/some-model")) == text


@pytest.mark.parametrize(
    ("painter", "kind"), [("auto", PipelinePainter), ("denoiser", Denoiser), ("pipeline", PipelinePainter)]
)
def test_a_generator_builds_the_one_that_is_configured(painter: str, kind: type) -> None:
    model = replace(ModelConfig("storybook-character"), painter=painter)
    assert type(_build_painter(GeneratorConfig(model), "character")) is kind


def test_the_denoiser_refuses_what_it_is_not_for() -> None:
    denoiser = Denoiser(ModelConfig("somebody/some-model", painter="denoiser"))
    with pytest.raises(ModelUnusable, match=r"is a SimpleNamespace, .* set painter to auto or pipeline"):
        denoiser.adopt(SimpleNamespace())
