"""Edit by instruction: each picture equals its stock pipeline's, and edits share forwards."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_kontext
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit, pipeline_qwenimage_edit_plus

from deployments.diffusion.model.call_arguments import call_arguments, task_of
from deployments.diffusion.model.families import FAMILIES, family_named
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import UnsupportedTask
from tests.support.denoisers import step_or_split
from tests.support.tiny_families import filled, qwen_image_edit

CLOSE = 1e-5
WIDTH, HEIGHT = 64, 96
TINTS = np.random.default_rng(3).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
START = StartPicture(name="tints", strength=1.0, pixels=TINTS)
EDIT = PaintRequest("make it red", None, 4, 3.0, 11, WIDTH, HEIGHT, start=START)
OTHER = replace(
    EDIT, seed=12, prompt="a night", start=replace(START, name="other", pixels=TINTS[::-1].copy())
)
TEXT = replace(EDIT, seed=13, start=None)
Floats = np.ndarray[Any, Any]
TinyModel = Callable[[str], Path]


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the training sizes, to which some pipelines scale their input, with small ones."""
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(64, 64), (48, 64)])
    scaled = pipeline_qwenimage_edit.calculate_dimensions
    monkeypatch.setattr(
        pipeline_qwenimage_edit, "calculate_dimensions", lambda area, ratio: scaled(96 * 96, ratio)
    )
    for name in ("CONDITION_IMAGE_SIZE", "VAE_IMAGE_SIZE"):
        monkeypatch.setattr(pipeline_qwenimage_edit_plus, name, 96 * 96)


def stock(pipeline: Any, request: PaintRequest, **asked: Any) -> Floats:
    """Call the pipeline as its documentation does."""
    if request.start is not None:
        asked |= request.start.images()
    generator = torch.Generator("cpu").manual_seed(request.seed)
    return pipeline(  # type: ignore[no-any-return]
        prompt=request.prompt,
        num_inference_steps=request.num_inference_steps,
        width=WIDTH,
        height=HEIGHT,
        generator=generator,
        output_type="np",
        **asked,
    ).images[0]


def together(painter: PipelinePainter, *requests: PaintRequest) -> tuple[list[Floats], list[int]]:
    rows: list[int] = []

    def look(network: Any, positional: Any, named: Any) -> None:
        rows.append(len(positional[0] if positional else next(iter(named.values()))))

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    try:
        paintings = [painter.begin(request) for request in requests]
        while under_way := [painting for painting in paintings if painting.done < painting.steps]:
            step_or_split(painter, under_way)
            assert [painting.fault for painting in under_way] == [None] * len(under_way)
        painter.decode(paintings)
        return [painting.run.output.images[0] for painting in paintings], rows
    finally:
        hook.remove()


@pytest.mark.parametrize(
    ("family", "asked"),
    [
        ("flux-kontext", {"guidance_scale": 3.0, "max_area": WIDTH * HEIGHT}),
        ("flux2", {"guidance_scale": 3.0}),
        ("flux2-klein", {}),
    ],
)
def test_edits_are_the_stock_pipelines_beside_a_picture_from_words(
    family: str, asked: dict[str, Any], tiny_model: TinyModel
) -> None:
    config = ModelConfig(str(tiny_model(family)), family=family, device="cpu", threads=1)
    painter = PipelinePainter(config)
    painter.load()
    pipeline = load(config)
    pictures, rows = together(painter, EDIT, OTHER, TEXT)
    for request, picture in zip((EDIT, OTHER, TEXT), pictures, strict=True):
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(picture - stock(pipeline, request, **asked)).max() < CLOSE
    assert max(rows) == 2, "both edits are rows of one forward"
    assert np.abs(pictures[0] - pictures[2]).max() > 1e-3, "the start picture is read"


@pytest.mark.parametrize(("family", "plus"), [("qwen-image-edit", False), ("qwen-image-edit-plus", True)])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_edits_by_qwen_are_the_stock_pipelines(family: str, plus: bool, guidance: float) -> None:
    pipeline = filled(family, lambda: qwen_image_edit(plus))
    pipeline.set_progress_bar_config(disable=True)
    painter = PipelinePainter(ModelConfig("somebody/some-model", family=family, device="cpu", threads=1))
    painter.adopt(pipeline)
    requests = [replace(each, guidance_scale=guidance, prompt="a red one") for each in (EDIT, OTHER)]
    pictures, rows = together(painter, *requests)
    asked = {"true_cfg_scale": guidance} | ({"negative_prompt": " "} if guidance > 1 else {})
    expected = [stock(pipeline, request, **asked) for request in requests]
    for picture, other in zip(pictures, expected, strict=True):
        assert picture.shape == (HEIGHT, WIDTH, 3)
        assert np.abs(picture - other).max() < CLOSE
    assert max(rows) == 2, "both edits are rows of one forward"
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3


def test_a_model_that_needs_a_picture_warms_up_with_one() -> None:
    pipeline = filled("qwen-image-edit", qwen_image_edit)
    painter = PipelinePainter(
        ModelConfig("somebody/some-model", family="qwen-image-edit", device="cpu", threads=1)
    )
    painter.native_size = (32, 32)
    painter.adopt(pipeline)
    assert painter.example_start is not None and painter.example_start.pixels is not None
    assert painter.example_start.pixels.shape == (32, 32, 3)
    assert painter.measure(2) > 0
    with pytest.raises(UnsupportedTask, match="text_to_image"):
        painter.begin(TEXT)
    assert PipelinePainter(ModelConfig("storybook-character", device="cpu")).example_start is None


def test_every_editing_class_reads_a_picture_and_no_strength() -> None:
    editing = [family for family in FAMILIES if family.image_editing]
    assert {"flux-kontext", "flux2", "flux2-klein", "qwen-image-edit"} <= {each.name for each in editing}
    for family in editing:
        taken = inspect.signature(getattr(diffusers, family.image_editing).__call__).parameters
        assert "image" in taken and "strength" not in taken and "mask_image" not in taken
        assert task_of(family, EDIT) == "image_editing" and family.image_editing in family.pipelines
        assert set(family.arguments) <= set(taken)
    assert task_of(family_named("sd1"), EDIT) == "image_to_image"
    assert call_arguments(family_named("flux-kontext"), EDIT)["max_area"] == WIDTH * HEIGHT


def test_once_reduced_kontext_reads_no_more_than_it_paints(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_flux_kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(192, 192)])
    painter = PipelinePainter(
        ModelConfig(str(tiny_model("flux-kontext")), family="flux-kontext", device="cpu", threads=1)
    )
    painter.load()
    tokens: list[int] = []

    def look(network: Any, positional: Any, named: Any) -> None:
        tokens.append(named["hidden_states"].shape[1])

    hook = painter._denoiser.register_forward_pre_hook(look, with_kwargs=True)
    try:
        for request in (EDIT, replace(EDIT, width_px=48, height_px=64, read_scale=0.7)):
            painting = painter.begin(request)
            painter.step([painting])
            painting.close()
    finally:
        hook.remove()
    painted = [64 * 96, 48 * 64]
    read = [192 * 192, 48 * 64]
    assert tokens[1] / tokens[0] == (painted[1] + read[1]) / (painted[0] + read[0])
