"""References of a model that edits: FLUX.2 reads them beside the words, each as its pipeline alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from deployments.diffusion.guide_pictures import References
from deployments.diffusion.model.call_arguments import call_arguments
from deployments.diffusion.model.families import FAMILIES, family_named
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from tests.support.together import TEXT, TINTS, VARIED, together

SMALL = np.ascontiguousarray(TINTS[:64, :64])
ALIKE = References(names=("tints", "small"), scale=0.6, pixels=(TINTS, SMALL))


@pytest.mark.parametrize("name", ["flux2", "flux2-klein"])
def test_each_is_its_stock_pipelines_picture_in_mixed_company(
    name: str, tiny_model: Callable[[str], Path]
) -> None:
    config = ModelConfig(str(tiny_model(name)), family=name, device="cpu", threads=1)
    painter = PipelinePainter(config)
    painter.load()
    asked = [
        TEXT,
        replace(TEXT, seed=12, references=ALIKE),
        replace(TEXT, seed=13, references=ALIKE),
        replace(TEXT, seed=14, references=ALIKE, start=replace(VARIED, strength=1.0)),
    ]
    paintings, _ = together(painter, dict(enumerate(asked)))
    pipeline = load(config)
    pipeline.set_progress_bar_config(disable=True)
    for request, painting in zip(asked, paintings, strict=True):
        painter.decode([painting])
        edited = [] if request.start is None else [request.start.images()["image"]]
        named = [] if request.references is None else [Image.fromarray(each) for each in ALIKE.pixels]
        pictures = {"image": [*edited, *named]} if named else {}
        guidance = painter._family.guidance_scale if name == "flux2-klein" else request.guidance_scale
        stock = pipeline(
            prompt=request.prompt,
            width=request.width_px,
            height=request.height_px,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=guidance,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
            max_sequence_length=512,
            **pictures,
        ).images[0]
        assert np.abs(painting.run.output.images[0] - stock).max() < 1e-5, request
    without, _ = together(painter, {0: replace(asked[1], references=None)})
    painter.decode(without)
    assert np.abs(without[0].run.output.images[0] - paintings[1].run.output.images[0]).max() > 1e-3


@pytest.mark.parametrize("name", ["flux2", "flux2-klein", "flux2-klein-base"])
def test_once_reduced_the_references_are_smaller(name: str) -> None:
    def sizes(scale: float) -> list[tuple[int, int]]:
        request = replace(TEXT, references=ALIKE, start=VARIED, read_scale=scale)
        return [image.size for image in call_arguments(family_named(name), request)["image"]]

    own = (TEXT.width_px, TEXT.height_px)
    assert sizes(1.0) == [own, (64, 96), (64, 64)]
    assert sizes(0.7) == [own, (45, 67), (45, 45)], "what is edited has the picture's size"
    assert sizes(0.1) == [own, (32, 48), (32, 32)], "none is too small to be read"


def test_the_argument_is_one_that_the_pipeline_has() -> None:
    for family in FAMILIES:
        if family.reference_argument:
            kind = getattr(diffusers, family.pipelines[0])
            assert family.reference_argument in inspect.signature(kind.__call__).parameters, family.name
