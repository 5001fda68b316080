"""Image to image, inpainting and text to image: with any peers each equals its stock pipeline's."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.pipelines import auto_pipeline

from deployments.diffusion.model import loader
from deployments.diffusion.model.families import FAMILIES, family_named, family_of_pipeline
from deployments.diffusion.model.family import Task
from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.diffusion.start_picture import StartPicture
from deployments.errors import InvalidRequest
from models.training.evaluation.held_out_prompts import held_out_prompts
from models.training.subjects import SUBJECTS
from tests.support import tiny_families
from tests.support.tiny_families import TINY
from tests.support.together import HEIGHT, LEFT, MASKED, TEXT, TINTS, VARIED, WIDTH, together

CLOSE = 1e-5
LONGER_WITH_A_PICTURE = ("flux2-klein", "flux-kontext")
"""Families that append the picture's tokens to those of the latents."""
IN_ITS_OWN_SIZE = ("QwenImageEditInpaintPipeline",)
"""Pipelines that ignore the requested size."""
UNETS = ("tiny_sd1", "tiny_sd2", "tiny_sdxl", "tiny_sd1_distilled")
Floats = np.ndarray[Any, Any]
Folder = Callable[[str], Path]


@pytest.fixture
def folder_of(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    def find(name: str) -> Path:
        if name in UNETS:
            return request.getfixturevalue(name)  # type: ignore[no-any-return]
        if name == "sd3":  # Its inpainting pipeline supports no other number of channels.
            monkeypatch.setattr(tiny_families, "CHANNELS", 16)
            return tiny_families.save(name, tmp_path / name)
        return request.getfixturevalue("tiny_model")(name)  # type: ignore[no-any-return]

    return find


def config_of(folder: Path, name: str) -> ModelConfig:
    return ModelConfig(str(folder), family=None if name in UNETS else name, device="cpu", threads=1)


@cache
def painter_of(folder: Path, name: str) -> PipelinePainter:
    made = PipelinePainter(config_of(folder, name))
    made.load()
    return made


@cache
def stock_of(folder: Path, name: str, task: Task) -> Any:
    """Return the pipeline that diffusers itself makes from a model for a task."""
    pipeline = load(config_of(folder, name))
    if task == "text_to_image":
        return pipeline
    kind = getattr(diffusers, family_of_pipeline(pipeline).task_pipelines[task])
    makers = {"image_to_image": diffusers.AutoPipelineForImage2Image}
    maker = makers.get(task, diffusers.AutoPipelineForInpainting)
    try:
        made = maker.from_pipe(pipeline)
    except ValueError:  # The maker does not know this class.
        made = kind(**{part: pipeline.components[part] for part in kind._get_signature_keys(kind)[0]})
    assert type(made) is kind
    made.set_progress_bar_config(disable=True)
    return made


def stock(folder: Path, name: str, task: Task, request: PaintRequest) -> Floats:
    """Call it as its documentation does."""
    pipeline = stock_of(folder, name, task)
    family = family_of_pipeline(pipeline) if name in UNETS else family_named(name)
    asked: dict[str, Any] = {
        "prompt": request.prompt,
        "num_inference_steps": request.num_inference_steps,
        family.guidance_argument: request.guidance_scale
        if family.takes_guidance_scale
        else family.guidance_scale,
        "width": request.width_px,
        "height": request.height_px,
        **family.arguments,
    }
    if request.guidance_scale > 1 and family.no_negative_prompt is not None:
        asked["negative_prompt"] = family.no_negative_prompt
    if request.start is not None:
        asked |= {**request.start.images(), "strength": request.start.strength, "_auto_resize": False}
    asked["max_area"] = request.width_px * request.height_px
    taken = inspect.signature(type(pipeline).__call__).parameters
    made = pipeline(
        **{argument: value for argument, value in asked.items() if argument in taken},
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="np",
    )
    return made.images[0]  # type: ignore[no-any-return]


def tasks(name: str) -> tuple[Task, ...]:
    return family_named("sd1" if name in UNETS else name).tasks


@pytest.mark.parametrize("name", [*UNETS, *(name for name in TINY if len(tasks(name)) > 1)])
def test_each_task_of_each_family_is_the_stock_pipelines_in_mixed_company(
    name: str, folder_of: Folder
) -> None:
    folder = folder_of(name)
    asked: dict[Task, PaintRequest] = {
        "text_to_image": TEXT,
        "image_to_image": replace(TEXT, seed=12, num_inference_steps=6, start=VARIED),
        "inpainting": replace(TEXT, seed=13, num_inference_steps=5, start=MASKED),
    }
    own = {task: asked[task] for task in tasks(name) if task != "image_editing"}
    painter = painter_of(folder, name)
    paintings, rows = together(painter, dict(enumerate(own.values())))
    for (task, request), painting in zip(own.items(), paintings, strict=True):
        pixels = painter.decode([painting])[0]
        difference = np.abs(painting.run.output.images[0] - stock(folder, name, task, request)).max()
        assert difference < CLOSE, (task, difference)
        assert painting.done == painting.steps
        if task == "inpainting":
            pixels = MASKED.pasted_into(pixels)
            assert (pixels[~LEFT] == TINTS[~LEFT]).all()
            assert (pixels[LEFT] != TINTS[LEFT]).any()
    alone = rows[0]
    if name not in LONGER_WITH_A_PICTURE:
        assert max(rows) >= len(own) * alone, "all tasks shared a forward"


def test_the_table_has_every_class_that_diffusers_has_for_a_family() -> None:
    """Classes without a strength edit by instruction, and do not count as image to image."""
    mappings: dict[Task, Any] = {
        "image_to_image": auto_pipeline.AUTO_IMAGE2IMAGE_PIPELINES_MAPPING,
        "inpainting": auto_pipeline.AUTO_INPAINT_PIPELINES_MAPPING,
    }
    for family in FAMILIES:
        for task, mapping in mappings.items():
            found = auto_pipeline._get_task_class(
                mapping, family.pipelines[0], throw_error_if_not_exist=False
            )
            named = family.task_pipelines.get(task)
            if found is not None and found.__name__ in IN_ITS_OWN_SIZE:
                continue
            if found is not None and "strength" in inspect.signature(found.__call__).parameters:
                assert named == found.__name__, (family.name, task)
            if named is not None:
                taken = inspect.signature(getattr(diffusers, named).__call__).parameters
                assert {"image", "strength"} <= set(taken), (family.name, task)
                assert ("mask_image" in taken) == (task == "inpainting")


def test_a_strength_of_less_than_a_step_takes_one(folder_of: Folder) -> None:
    painter = painter_of(folder_of("tiny_sd1"), "tiny_sd1")
    painting = painter.begin(replace(TEXT, start=replace(VARIED, strength=0.01)))
    assert painting.request.steps == 1 <= painting.steps <= 2, "PNDM takes one more"


def test_a_picture_that_is_painted_smaller_starts_from_a_smaller_one(folder_of: Folder) -> None:
    painter = painter_of(folder_of("tiny_sd1"), "tiny_sd1")
    paintings, _ = together(painter, {0: replace(TEXT, width_px=32, height_px=48, start=MASKED)})
    pixels = painter.decode(paintings)[0]
    small = MASKED.at(32, 48)
    assert pixels.shape == (48, 32, 3) and small.pixels is not None and small.mask is not None
    assert (small.pasted_into(pixels)[~small.mask] == small.pixels[~small.mask]).all()


def test_a_vae_that_pipelines_cast_for_a_while_encodes_in_its_own_precision(
    tiny_sdxl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_cpu_has_bfloat16", lambda: True)
    painter = PipelinePainter(replace(config_of(tiny_sdxl, "tiny_sdxl"), dtype="bfloat16"))
    painter.load()
    paintings, _ = together(painter, {0: replace(TEXT, start=MASKED), 1: replace(TEXT, start=VARIED)})
    assert [painter.decode([painting])[0].shape for painting in paintings] == [(HEIGHT, WIDTH, 3)] * 2


def test_a_family_without_the_task_refuses_it(folder_of: Folder) -> None:
    painter = painter_of(folder_of("sana"), "sana")
    with pytest.raises(InvalidRequest, match="image_to_image"):
        painter.begin(replace(TEXT, start=VARIED))


@pytest.mark.parametrize("kind", ["character", "background"])
def test_the_bundled_models_keep_a_picture_at_little_strength_and_change_it_at_more(kind: str) -> None:
    painter = PipelinePainter(ModelConfig(f"storybook-{kind}", device="cpu", threads=1))
    painter.load()
    width, height = painter.native_size
    drawn = np.asarray(SUBJECTS[kind].draw(held_out_prompts(kind, 1)[0].spec, width, height).convert("RGB"))
    start = StartPicture(name="drawn", strength=0.1, pixels=drawn)
    asked = PaintRequest("a red robot", None, 10, 5.0, 1, width, height, start=start)
    apart = []
    for strength in (0.1, 0.9):
        request = replace(asked, start=replace(start, strength=strength))
        paintings, _ = together(painter, {0: request})
        apart.append(float(np.abs(painter.decode(paintings)[0] - drawn.astype(float)).mean()))
    assert apart[0] < 10 and apart[1] > 2 * apart[0], apart


@pytest.mark.parametrize("kind", ["character", "background"])
def test_the_bundled_models_paint_a_part_again(kind: str) -> None:
    """Their latents have 24 channels, which the stock inpainting pipeline mistakes for another task."""
    painter = PipelinePainter(ModelConfig(f"storybook-{kind}", device="cpu", threads=1))
    painter.load()
    width, height = 128, 128
    ramp = np.linspace(40, 200, width)[None, :, None] * np.ones((height, 1, 3))
    left = np.zeros((height, width), bool)
    left[:, : width // 2] = True
    start = StartPicture(name="ramp", strength=1.0, pixels=ramp.astype(np.uint8), mask_name="left", mask=left)
    request = PaintRequest("a red robot", None, 4, 5.0, 1, width, height, start=start)
    paintings, _ = together(painter, {0: request})
    pixels = painter.decode(paintings)[0].astype(float)
    apart = np.abs(pixels - ramp).mean(-1)
    assert apart[:, width // 2 + 16 :].mean() < 15, "even before pasting, the rest is the start picture's"
    assert apart[:, : width // 2].mean() > 2 * apart[:, width // 2 :].mean()
