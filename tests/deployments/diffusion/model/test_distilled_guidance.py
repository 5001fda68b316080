"""Paint with a guidance-distilled UNet, which reads the scale and has no unconditional rows."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from diffusers import DiffusionPipeline, LCMScheduler

from deployments.diffusion.model.denoiser import Denoiser
from deployments.diffusion.model.families import family_named, family_of_pipeline
from deployments.diffusion.model.family import Family
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.model.registry import card_of
from deployments.diffusion.painter import PaintRequest
from deployments.errors import InvalidRequest
from tests.support.stock_pipelines import stock

ASKED = PaintRequest("a red knight", "knight " * 40, 3, 7.5, 11, 64, 96)
CLOSE = 1e-5
PAINTERS = [Denoiser, PipelinePainter]


@cache
def painter_of(kind: Any, folder: Path, family: str | None = None) -> Any:
    made = kind(ModelConfig(str(folder), family=family, device="cpu", threads=1))
    made.load()
    return made


@pytest.mark.parametrize("kind", PAINTERS)
@pytest.mark.parametrize("scale", [7.5, 1.0])
def test_each_step_has_one_row_and_nothing_is_said_of_words_that_it_does_not_read(
    kind: Any, scale: float, tiny_sd1_distilled: Path
) -> None:
    painter, request = painter_of(kind, tiny_sd1_distilled), replace(ASKED, guidance_scale=scale)
    assert painter.first_forwards(request) == [1]
    painting = painter.begin(request)
    assert (painting.guided, painting.warnings) == (False, ())
    while painting.done < painting.steps:
        assert painting.rows == 1
        painter.step([painting])
    assert not painting.caches_guidance


def test_each_picture_of_a_forward_is_of_its_own_scale(tiny_sd1_distilled: Path) -> None:
    painter = painter_of(PipelinePainter, tiny_sd1_distilled)
    requests = [replace(ASKED, guidance_scale=scale) for scale in (7.5, 2.0)]
    paintings = [painter.begin(request) for request in requests]
    assert paintings[0].forward_key == paintings[1].forward_key
    while paintings[0].done < paintings[0].steps:
        painter.step(paintings)
    painter.decode(paintings)
    images = [painting.run.output.images[0] for painting in paintings]
    for request, image in zip(requests, images, strict=True):
        assert np.abs(image - stock(tiny_sd1_distilled, request)).max() < CLOSE
    assert np.abs(images[0] - images[1]).max() > 10 * CLOSE


@pytest.mark.parametrize("kind", PAINTERS)
@pytest.mark.parametrize(
    ("changes", "param"),
    [({"guidance_cache": 2}, "speed.cache"), ({"guidance_interval": (0.25, 0.75)}, "guidance_interval")],
)
def test_what_needs_rows_of_guidance_is_refused_by_name(
    kind: Any, changes: dict[str, Any], param: str, tiny_sd1_distilled: Path
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        painter_of(kind, tiny_sd1_distilled).begin(replace(ASKED, **changes))
    assert refused.value.param == param


@pytest.mark.parametrize("kind", PAINTERS)
def test_more_steps_than_its_scheduler_has_are_refused_by_name(
    kind: Any, tiny_sd1_distilled: Path, tmp_path: Path
) -> None:
    pipeline = DiffusionPipeline.from_pretrained(tiny_sd1_distilled)
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    pipeline.save_pretrained(tmp_path)
    painter = painter_of(kind, tmp_path)
    assert painter.begin(replace(ASKED, num_inference_steps=50)).steps == 50
    with pytest.raises(InvalidRequest, match="at most 50 steps") as refused:
        painter.begin(replace(ASKED, num_inference_steps=51))
    assert refused.value.param == "num_inference_steps"


@pytest.mark.parametrize("named", [None, "sd1", "sd2"])
def test_its_card_and_its_replica_are_of_one_family(named: str | None, tiny_sd1_distilled: Path) -> None:
    painter = painter_of(PipelinePainter, tiny_sd1_distilled, named)
    family: Family = card_of(painter._config).family
    assert family == painter._family and family.name == (named or "sd1")
    assert family_of_pipeline(painter._pipeline).guidance == family.guidance == "embedded"
    assert family.title == f"{family_named(family.name).title} distilled for guidance"


def test_a_replica_knows_what_a_hub_id_does_not_say(tiny_sd1_distilled: Path, tiny_sd1: Path) -> None:
    """A hub model has no card, or the card of the family that the operator named."""
    for folder, guidance in ((tiny_sd1_distilled, "embedded"), (tiny_sd1, "classifier_free")):
        for named in (None, "sd1"):
            hub = PipelinePainter(ModelConfig("someone/tune", family=named, device="cpu", threads=1))
            hub.adopt(painter_of(PipelinePainter, folder)._pipeline)
            assert hub._family.guidance == guidance
