"""ControlNet poses: with any peers each picture equals that of its stock pipeline alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.model.families import FAMILIES, family_of
from deployments.diffusion.model.model_config import IpAdapterConfig, ModelConfig
from deployments.diffusion.model.pipeline_painter import PipelinePainter
from deployments.diffusion.painter import PaintRequest
from deployments.errors import ModelUnusable, NotReady, UnsupportedTask
from deployments.imaging.skeleton import draw_skeleton
from tests.support.poses import STANDING, moved
from tests.support.tiny_guides import save_adapter, save_controlnet, save_image_encoder
from tests.support.together import HEIGHT, LEFT, MASKED, TEXT, TINTS, VARIED, WIDTH, together

CLOSE, APART = 1e-5, 1e-3
MODELS = ("tiny_sd1", "tiny_sd2", "tiny_sdxl")
Beside = Callable[[str], Path]


def posed(keypoints: Any = STANDING, scale: float = 1.0) -> PosePicture:
    drawn = draw_skeleton(keypoints, WIDTH, HEIGHT)
    return PosePicture(scale=scale, keypoints=tuple(keypoints), pixels=drawn)


REFERENCES = References(names=("tints",), scale=0.7, pixels=(TINTS,))
MIXED = [
    replace(TEXT, pose=posed()),
    TEXT,
    replace(TEXT, seed=12, num_inference_steps=6, pose=posed(moved(4, 0.1, 0.1), 0.5)),
    replace(TEXT, seed=13, num_inference_steps=6, pose=posed(), start=VARIED),
    replace(TEXT, seed=14, num_inference_steps=5, pose=posed(scale=1.5), start=MASKED),
    replace(TEXT, seed=15, pose=posed(), references=REFERENCES),
    replace(TEXT, seed=16, guidance_scale=1.0, pose=PosePicture(scale=1.0, name="tints", pixels=TINTS)),
]


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Beside:
    """Return the folder of a model's ControlNet and IP-Adapter, made once per model."""

    @cache
    def made(name: str) -> Path:
        folder, model = tmp_path_factory.mktemp("beside"), request.getfixturevalue(name)
        save_controlnet(model, folder / "controlnet")
        save_image_encoder(folder / "encoder")
        save_adapter(model, folder / "adapter.safetensors")
        return folder

    return made


@cache
def painter_for(model: Path, beside: Path) -> PipelinePainter:
    adapter = IpAdapterConfig(str(beside / "adapter.safetensors"), str(beside / "encoder"))
    controlnet = str(beside / "controlnet")
    made = PipelinePainter(
        ModelConfig(str(model), device="cpu", threads=1, ip_adapter=adapter, pose_controlnet=controlnet)
    )
    made.load()
    return made


def stock(model: Path, beside: Path, request: PaintRequest) -> Any:
    """Load diffusers' pipeline and call it, both as its documentation does."""
    start, pose, more = request.start, request.pose, dict[str, Any]()
    kind = "StableDiffusionXL" if (model / "text_encoder_2").exists() else "StableDiffusion"
    task = "" if start is None else "Img2Img" if start.mask is None else "Inpaint"
    parts: dict[str, Any] = {}
    if pose is not None:
        kind += "ControlNet"
        parts["controlnet"] = diffusers.ControlNetModel.from_pretrained(str(beside / "controlnet"))
        control = "image" if start is None else "control_image"
        more |= {control: pose.image(), "controlnet_conditioning_scale": pose.scale}
    if start is not None:
        more |= {**start.images(), "strength": start.strength}
    pipeline = getattr(diffusers, f"{kind}{task}Pipeline").from_pretrained(str(model), **parts)
    if request.references is not None:
        pipeline.load_ip_adapter(
            str(beside), subfolder="", weight_name="adapter.safetensors", image_encoder_folder="encoder"
        )
        pipeline.set_ip_adapter_scale(request.references.scale)
        more["ip_adapter_image"] = [[Image.fromarray(pixels) for pixels in request.references.pixels]]
    pipeline.set_progress_bar_config(disable=True)
    size = {} if task == "Img2Img" else {"width": request.width_px, "height": request.height_px}
    made = pipeline(
        prompt=request.prompt,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(request.seed),
        output_type="np",
        **size,
        **more,
    )
    return made.images[0]


@pytest.mark.parametrize("name", MODELS)
def test_each_is_its_stock_pipelines_picture_in_mixed_company(
    name: str, request: pytest.FixtureRequest, beside: Beside
) -> None:
    model, folder = request.getfixturevalue(name), beside(name)
    painter = painter_for(model, folder)
    controlled: list[int] = []
    hook = painter._controlnet.register_forward_pre_hook(lambda _, given: controlled.append(len(given[0])))
    paintings, rows = together(painter, dict(enumerate(MIXED)))
    hook.remove()
    assert max(rows) >= 4 and max(controlled) >= 4, "poses share forwards of both networks"
    for asked, painting in zip(MIXED, paintings, strict=True):
        pixels = painter.decode([painting])[0]
        own = painting.run.output.images[0]
        assert np.abs(own - stock(model, folder, asked)).max() < CLOSE, asked
        if asked.start is MASKED:
            assert (MASKED.pasted_into(pixels)[~LEFT] == TINTS[~LEFT]).all()
    without = stock(model, folder, replace(MIXED[0], pose=None))
    assert np.abs(paintings[0].run.output.images[0] - without).max() > APART, "the pose has an effect"


def test_a_distilled_model_takes_a_pose_from_words_alone(tiny_sd1_distilled: Path, beside: Beside) -> None:
    """diffusers' pipelines that also start from a picture pass no scale to its UNet."""
    folder, asked = beside("tiny_sd1_distilled"), [MIXED[0], MIXED[5]]
    painter = painter_for(tiny_sd1_distilled, folder)
    paintings, rows = together(painter, {0: asked[0], 1: asked[1]})
    assert max(rows) <= 2, "one row per picture"
    for request, painting in zip(asked, paintings, strict=True):
        painter.decode([painting])
        own = painting.run.output.images[0]
        assert np.abs(own - stock(tiny_sd1_distilled, folder, request)).max() < CLOSE
    for start, task in ((VARIED, "image_to_image"), (MASKED, "inpainting")):
        with pytest.raises(UnsupportedTask, match=f"pose together with {task}"):
            painter.begin(replace(MIXED[0], start=start))


def test_a_picture_that_is_painted_smaller_follows_a_smaller_pose(tiny_sd1: Path, beside: Beside) -> None:
    painter = painter_for(tiny_sd1, beside("tiny_sd1"))
    paintings, _ = together(painter, {0: replace(MIXED[0], width_px=32, height_px=48)})
    assert painter.decode(paintings)[0].shape == (48, 32, 3)


def test_a_guided_part_of_the_steps_goes_with_a_pose(tiny_sd1: Path, beside: Beside) -> None:
    painter = painter_for(tiny_sd1, beside("tiny_sd1"))
    in_part = replace(MIXED[0], guidance_interval=(0.3, 0.8))
    (alone,), _ = together(painter, {0: in_part})
    expected = painter.decode([alone])[0].astype(int)
    mixed, _ = together(painter, {0: MIXED[2], 1: in_part})
    assert np.abs(painter.decode([mixed[1]])[0] - expected).max() <= 1


def test_the_table_has_the_class_of_each_task() -> None:
    for family in FAMILIES:
        if family.controlled:
            assert set(family.controlled) == set(family.tasks)
            for kind in family.controlled.values():
                assert issubclass(getattr(diffusers, kind), diffusers.DiffusionPipeline)
                assert family_of(family.pipelines[0]).controlled == family.controlled


def test_a_model_without_a_controlnet_refuses_a_pose(tiny_sd1: Path) -> None:
    painter = PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", threads=1))
    painter.load()
    with pytest.raises(UnsupportedTask, match="pose"):
        painter.begin(MIXED[0])


def test_a_controlnet_that_cannot_be_used_is_named(
    tiny_sd1: Path, tiny_sdxl: Path, beside: Beside, tmp_path: Path
) -> None:
    broken = save_controlnet(tiny_sd1, tmp_path / "broken")
    (broken / "diffusion_pytorch_model.safetensors").unlink()
    for source, kind, said in (
        (
            beside("tiny_sdxl") / "controlnet",
            ModelUnusable,
            "does not fit the model: its cross_attention_dim",
        ),
        (tiny_sd1 / "unet", ModelUnusable, "is not a ControlNetModel"),
        (broken, NotReady, "has no .safetensors file"),
        (tmp_path / "nowhere", NotReady, "neither a local folder nor one on the hub"),
    ):
        with pytest.raises(kind, match=said) as caught:
            PipelinePainter(ModelConfig(str(tiny_sd1), device="cpu", pose_controlnet=str(source))).load()
        assert str(caught.value).startswith("the ControlNet ") and str(tmp_path) not in str(caught.value)


def test_a_family_without_controlnets_says_so(tiny_model: Callable[[str], Path], beside: Beside) -> None:
    controlnet = str(beside("tiny_sd1") / "controlnet")
    with pytest.raises(ModelUnusable, match="Sana does not support ControlNets"):
        PipelinePainter(
            ModelConfig(str(tiny_model("sana")), family="sana", device="cpu", pose_controlnet=controlnet)
        ).load()


def test_the_denoiser_takes_none() -> None:
    with pytest.raises(ValueError, match="pose_controlnet works only with the pipeline painter"):
        ModelConfig("m", painter="denoiser", pose_controlnet="c")
