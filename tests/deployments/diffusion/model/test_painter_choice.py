from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.painter_choice import uses_denoiser
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.errors import ModelUnusable
from deployments.generator import GeneratorConfig, _build_painter


def test_auto_takes_the_denoiser_for_the_models_it_is_for(
    tiny_sd1: Path, tiny_sdxl: Path, tmp_path: Path
) -> None:
    other = Path(shutil.copytree(tiny_sd1, tmp_path / "other"))
    index = json.loads((other / "model_index.json").read_text()) | {"_class_name": "FluxPipeline"}
    (other / "model_index.json").write_text(json.dumps(index))
    sources = ["storybook-background", str(tiny_sd1), str(tiny_sdxl), str(other), "somebody/some-model"]
    assert [uses_denoiser(ModelConfig(source)) for source in sources] == [True, True, True, False, False]
    named = [ModelConfig("somebody/some-model", family=family) for family in ("sdxl", "qwen-image")]
    assert [uses_denoiser(config) for config in named] == [True, False]


@pytest.mark.parametrize(
    ("painter", "kind"), [("auto", Denoiser), ("denoiser", Denoiser), ("pipeline", PipelinePainter)]
)
def test_a_generator_builds_the_one_that_is_configured(painter: str, kind: type) -> None:
    model = replace(ModelConfig("storybook-character"), painter=painter)
    assert type(_build_painter(GeneratorConfig(model), "character")) is kind


def test_the_denoiser_refuses_what_it_is_not_for() -> None:
    denoiser = Denoiser(ModelConfig("somebody/some-model", painter="denoiser"))
    with pytest.raises(ModelUnusable, match=r"is a SimpleNamespace, .* set painter to auto or pipeline"):
        denoiser.adopt(SimpleNamespace())
