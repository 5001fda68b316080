"""One file in Stable Diffusion's original layout, written from a tiny pipeline and loaded back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING
from safetensors.torch import save_file

from deployments.diffusion.config import ModelConfig
from deployments.diffusion.loader import load
from deployments.errors import NotReady

NOT_LOADED = {"feature_extractor": None, "image_encoder": None}
NO_CHECKER = {"safety_checker": None, "requires_safety_checker": False}
RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def unet_key(key: str) -> str:
    """For one layer a block, as the tiny UNet has."""
    plain: dict[str, str] = DIFFUSERS_TO_LDM_MAPPING["unet"]["layers"]
    if key in plain:
        return plain[key]
    if ".resnets." in key:
        for new, old in RESNET.items():
            key = key.replace(f".{new}.", f".{old}.")
    found = re.match(r"(down|mid|up)_blocks?\.?(\d?)\.(resnets|attentions|\w+samplers)\.(\d)\.", key)
    if found is None:
        raise KeyError(key)
    side, part, number = found[1], int(found[3] == "attentions"), int(found[4])
    block, rest = int(found[2] or 0), key[found.end() :]
    if found[3] == "downsamplers":
        return f"input_blocks.{2 + 2 * block}.0.{rest.replace('conv.', 'op.')}"
    if found[3] == "upsamplers":
        return f"output_blocks.{1 + 2 * block}.1.{rest}"
    if side == "mid":
        return f"middle_block.{1 if part else 2 * number}.{rest}"
    return (
        f"input_blocks.{1 + 2 * block + number}.{part}.{rest}"
        if side == "down"
        else (f"output_blocks.{2 * block + number}.{part}.{rest}")
    )


def vae_key(key: str, levels: int = 4) -> str:
    plain: dict[str, str] = DIFFUSERS_TO_LDM_MAPPING["vae"]
    if key in plain:
        return plain[key]
    if ".attentions." in key:
        for new, old in VAE_ATTENTION.items():
            key = key.replace(f".{new}.", f".{old}.")
    key = key.replace("conv_shortcut", "nin_shortcut").replace("mid_block.attentions.0", "mid.attn_1")
    key = key.replace("mid_block.resnets.0", "mid.block_1").replace("mid_block.resnets.1", "mid.block_2")
    key = key.replace("samplers.0.conv", "sample.conv").replace("resnets", "block")
    key = re.sub(r"up_blocks\.(\d)", lambda found: f"up.{levels - 1 - int(found[1])}", key)
    return key.replace("down_blocks", "down")


def write_single_file(folder: Path, file: Path) -> None:
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    unet, vae = pipeline.unet.state_dict(), pipeline.vae.state_dict()
    tensors = {f"model.diffusion_model.{unet_key(key)}": value for key, value in unet.items()}
    tensors |= {f"first_stage_model.{vae_key(key)}": value for key, value in vae.items()}
    for key, value in pipeline.text_encoder.state_dict().items():
        tensors[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    save_file({key: value.clone().contiguous() for key, value in tensors.items()}, file)


def test_a_checkpoint_paints_what_its_folder_paints(
    tiny_sd1: Path, paint: Callable[[Any], Any], tmp_path: Path
) -> None:
    file = tmp_path / "dragons.safetensors"
    write_single_file(tiny_sd1, file)
    shutil.copytree(tiny_sd1, tmp_path / "dragons", ignore=shutil.ignore_patterns("*.safetensors"))
    single = load(ModelConfig(source=str(file), device="cpu"))
    assert type(single) is StableDiffusionPipeline and single.safety_checker is None
    assert single.unet.conv_in.weight.is_contiguous(memory_format=torch.channels_last)
    assert np.array_equal(paint(single), paint(load(ModelConfig(source=str(tiny_sd1), device="cpu"))))


@pytest.mark.parametrize(
    ("key", "pipeline", "extra"),
    [
        ("cond_stage_model.x", StableDiffusionPipeline, NO_CHECKER),
        ("conditioner.embedders.1.model.x", StableDiffusionXLPipeline, {}),
    ],
)
def test_what_the_family_is_asked_for(
    key: str, pipeline: type, extra: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = []

    def from_single_file(source: str, **arguments: Any) -> None:
        asked.append((source, arguments))
        raise OSError("the hub is away")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(pipeline, "from_single_file", from_single_file)
    file = tmp_path / "dragons.safetensors"
    save_file({key: torch.zeros(1)}, file)
    told = r"^dragons.safetensors: the pipeline, configured from the hub, could not be loaded: .*hub is away$"
    with pytest.raises(NotReady, match=told):
        load(ModelConfig(source=str(file), device="cpu"))
    expected = {"dtype": torch.float32, "config": None, "local_files_only": False} | NOT_LOADED | extra
    assert asked == [(str(file), expected)]


def test_a_pickled_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dragons.ckpt"
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(NotReady, match=r"^dragons.ckpt is a pickle"):
        load(ModelConfig(source=str(file), device="cpu"))
