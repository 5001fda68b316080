"""References of an editing model: FLUX.2 reads them with the prompt, as its stock pipeline does."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus
from PIL import Image

from deployments.diffusion.guide_pictures import References
from deployments.diffusion.model.call_arguments import call_arguments
from deployments.diffusion.model.families import FAMILIES, family_named
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from tests.support.tiny_families import filled, qwen_image_edit
from tests.support.together import MASKED, TEXT, TINTS, VARIED, together

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


@pytest.mark.parametrize("name", ["flux-kontext", "flux2-klein"])
def test_what_a_mask_covers_is_painted_by_one_reference(name: str, tiny_model: Callable[[str], Path]) -> None:
    config = ModelConfig(str(tiny_model(name)), family=name, device="cpu", threads=1)
    painter = PipelinePainter(config)
    painter.load()
    one = References(names=("small",), scale=0.6, pixels=(SMALL,))
    asked = [replace(TEXT, start=MASKED), replace(TEXT, start=MASKED, references=one)]
    paintings, _ = together(painter, dict(enumerate(asked)))
    painter.decode(paintings)
    pipeline = load(config)
    kind = getattr(diffusers, painter._family.inpainting)
    stock = kind(**pipeline.components)
    stock.set_progress_bar_config(disable=True)
    guidance = {"guidance_scale": 3.0 if name == "flux-kontext" else painter._family.guidance_scale}
    auto = {"max_area": 64 * 96, "_auto_resize": False} if name == "flux-kontext" else {}
    expected = stock(
        prompt=TEXT.prompt,
        image_reference=Image.fromarray(SMALL),
        strength=MASKED.strength,
        width=TEXT.width_px,
        height=TEXT.height_px,
        num_inference_steps=TEXT.num_inference_steps,
        generator=torch.Generator("cpu").manual_seed(TEXT.seed),
        output_type="np",
        max_sequence_length=512,
        **MASKED.images(),
        **guidance,
        **auto,
    ).images[0]
    without, by_it = (painting.run.output.images[0] for painting in paintings)
    assert np.abs(by_it - expected).max() < 1e-5
    assert np.abs(by_it - without).max() > 1e-3


def test_several_pictures_are_edited_by_qwen_as_by_its_stock_pipeline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CONDITION_IMAGE_SIZE", "VAE_IMAGE_SIZE"):
        monkeypatch.setattr(pipeline_qwenimage_edit_plus, name, 96 * 96)
    family = "qwen-image-edit-plus"
    pipeline = filled(family, lambda: qwen_image_edit(True))
    pipeline.set_progress_bar_config(disable=True)
    painter = PipelinePainter(ModelConfig("somebody/some-model", family=family, device="cpu", threads=1))
    painter.adopt(pipeline)
    start = replace(VARIED, strength=1.0)
    asked = [
        replace(TEXT, start=start, references=ALIKE),
        replace(TEXT, start=start, references=ALIKE, seed=12),
        replace(TEXT, start=start, seed=13),
    ]
    several = [painter.begin(request) for request in asked]
    while any(painting.done < painting.steps for painting in several):
        painter.step([painting for painting in several if painting.done < painting.steps])
        assert [painting.fault for painting in several] == [None] * 3
    painter.decode(several)
    for request, painting in zip(asked, several, strict=True):
        named = [] if request.references is None else ALIKE.images()
        stock = pipeline(
            image=[start.images()["image"], *named],
            prompt=request.prompt,
            negative_prompt=" ",
            true_cfg_scale=request.guidance_scale,
            width=request.width_px,
            height=request.height_px,
            num_inference_steps=request.num_inference_steps,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type="np",
        ).images[0]
        assert np.abs(painting.run.output.images[0] - stock).max() < 1e-5, request


@pytest.mark.parametrize("name", ["flux2", "flux2-klein", "flux2-klein-base"])
def test_once_reduced_the_references_are_smaller(name: str) -> None:
    def sizes(scale: float) -> list[tuple[int, int]]:
        request = replace(TEXT, references=ALIKE, start=VARIED, read_scale=scale)
        return [image.size for image in call_arguments(family_named(name), request)["image"]]

    own = (TEXT.width_px, TEXT.height_px)
    assert sizes(1.0) == [own, (64, 96), (64, 64)]
    assert sizes(0.7) == [own, (45, 67), (45, 45)], "the edited picture has the output's size"
    assert sizes(0.1) == [own, (32, 48), (32, 32)], "none becomes too small to be read"


def test_the_argument_is_one_that_the_pipeline_has() -> None:
    for family in FAMILIES:
        if family.reference_argument:
            kind = getattr(diffusers, family.pipelines[0])
            assert family.reference_argument in inspect.signature(kind.__call__).parameters, family.name
        if family.masked_reference_argument:
            kind = getattr(diffusers, family.inpainting)
            assert family.masked_reference_argument in inspect.signature(kind.__call__).parameters, (
                family.name
            )
