"""Load a single file in Stable Diffusion's original layout, written from a tiny pipeline."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING
from safetensors.torch import load_file, save_file

from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.errors import ModelUnusable, NotReady

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
    """Return a tensor's original name, for one layer per block as in the tiny UNet."""
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
def test_what_the_family_is_requested(
    key: str, pipeline: type, extra: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requested: list[tuple[str, dict[str, Any]]] = []

    def from_single_file(source: str, **arguments: Any) -> None:
        requested.append((source, arguments))
        raise OSError("the hub is away")

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(pipeline, "from_single_file", from_single_file)
    file = tmp_path / "dragons.safetensors"
    save_file({key: torch.zeros(1)}, file)
    message = (
        r"^dragons.safetensors: the pipeline, configured from the hub, could not be loaded: .*hub is away$"
    )
    with pytest.raises(NotReady, match=message):
        load(ModelConfig(source=str(file), device="cpu"))
    expected = {"dtype": torch.float32, "config": None, "local_files_only": False} | NOT_LOADED | extra
    assert requested == [(str(file), expected)]


def test_a_pickled_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "dragons.ckpt"
    file.write_bytes(b"\x80\x04N.")
    with pytest.raises(NotReady, match=r"^dragons.ckpt is a pickle"):
        load(ModelConfig(source=str(file), device="cpu"))


def write_xl_file(folder: Path, file: Path, more: dict[str, torch.Tensor], **metadata: str) -> None:
    """Write an SDXL file with the tensor names of Stability's own code."""
    pipeline = StableDiffusionXLPipeline.from_pretrained(folder)
    added = DIFFUSERS_TO_LDM_MAPPING["unet"]["addition_embed_type"]
    unet, vae = pipeline.unet.state_dict(), pipeline.vae.state_dict()
    tensors = {
        f"model.diffusion_model.{added.get(key) or unet_key(key)}": value for key, value in unet.items()
    }
    tensors |= {f"first_stage_model.{vae_key(key)}": value for key, value in vae.items()}
    for key, value in pipeline.text_encoder.state_dict().items():
        tensors[f"conditioner.embedders.0.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    tensors |= open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    tensors = {key: value.clone().contiguous() for key, value in tensors.items()} | more
    save_file(tensors, file, {"format": "pt", **metadata})
    shutil.copytree(folder, file.with_suffix(""), ignore=shutil.ignore_patterns("*.safetensors"))


def open_clip(encoder: Any, prefix: str) -> dict[str, torch.Tensor]:
    own = {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}
    tensors = {f"{prefix}text_projection": own["text_projection.weight"].T}
    for key, value in {
        "positional_embedding": "embeddings.position_embedding.weight",
        "token_embedding.weight": "embeddings.token_embedding.weight",
        "ln_final.weight": "final_layer_norm.weight",
        "ln_final.bias": "final_layer_norm.bias",
    }.items():
        tensors[prefix + key] = own[value]
    for number in range(encoder.config.num_hidden_layers):
        block, other = f"encoder.layers.{number}.", f"{prefix}transformer.resblocks.{number}."
        for kind in ("weight", "bias"):
            joined = torch.cat([own[f"{block}self_attn.{part}_proj.{kind}"] for part in "qkv"])
            tensors[f"{other}attn.in_proj_{kind}"] = joined
            for key, value in {
                "attn.out_proj": "self_attn.out_proj",
                "ln_1": "layer_norm1",
                "ln_2": "layer_norm2",
                "mlp.c_fc": "mlp.fc1",
                "mlp.c_proj": "mlp.fc2",
            }.items():
                tensors[f"{other}{key}.{kind}"] = own[f"{block}{value}.{kind}"]
    return tensors


EMPTY = torch.zeros(0)


@pytest.mark.parametrize(
    ("markers", "metadata", "prediction", "zero_snr"),
    [
        ({}, {}, "epsilon", False),
        ({"v_pred": EMPTY}, {}, "v_prediction", False),
        ({"v_pred": EMPTY, "ztsnr": EMPTY}, {}, "v_prediction", True),
        ({}, {"modelspec.prediction_type": "v"}, "v_prediction", False),
        ({}, {"ss_v_parameterization": "True", "ss_zero_terminal_snr": "True"}, "v_prediction", True),
        ({}, {"modelspec.prediction_type": "epsilon"}, "epsilon", False),
    ],
)
def test_an_xl_file_is_sampled_as_it_says(
    tiny_sdxl_of_two_widths: Path,
    tmp_path: Path,
    paint: Callable[[Any], Any],
    markers: dict[str, torch.Tensor],
    metadata: dict[str, str],
    prediction: str,
    zero_snr: bool,
) -> None:
    """Compare it with a pipeline configured by hand, as the model's card says."""
    tiny_sdxl = tiny_sdxl_of_two_widths
    write_xl_file(tiny_sdxl, tmp_path / "dragons.safetensors", markers, **metadata)
    pipeline = load(ModelConfig(source=str(tmp_path / "dragons.safetensors"), device="cpu"))
    assert pipeline.scheduler.config.prediction_type == prediction
    assert pipeline.scheduler.config.rescale_betas_zero_snr == zero_snr
    assert pipeline.scheduler.config.timestep_spacing == ("trailing" if zero_snr else "leading")
    stock = load(ModelConfig(source=str(tiny_sdxl), device="cpu"))
    zero = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"} if zero_snr else {}
    stock.scheduler = EulerDiscreteScheduler.from_config(
        stock.scheduler.config, prediction_type=prediction, **zero
    )
    # Noise that starts at a sigma of 4096 amplifies the rounding of a transposed matrix.
    assert np.allclose(paint(pipeline), paint(stock), atol=1e-3 if zero_snr else 1e-5)


@pytest.mark.parametrize(
    ("metadata", "prediction", "scheduler"),
    [
        ({}, "epsilon", "PNDMScheduler"),
        ({"modelspec.prediction_type": "v"}, "v_prediction", "PNDMScheduler"),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction", "PNDMScheduler"),
        ({"prediction_type": "v_prediction", "ztsnr": "1"}, "v_prediction", "EulerDiscreteScheduler"),
    ],
)
def test_a_file_of_the_older_families_too(
    tiny_sd1: Path, tmp_path: Path, metadata: dict[str, str], prediction: str, scheduler: str
) -> None:
    """PNDM cannot start from zero signal."""
    file = single_with_folder(tiny_sd1, tmp_path)
    save_file(load_file(file), file, metadata)
    found = load(ModelConfig(source=str(file), device="cpu")).scheduler
    assert (found.config.prediction_type, type(found).__name__) == (prediction, scheduler)


def single_with_folder(folder: Path, tmp_path: Path) -> Path:
    file = tmp_path / "dragons.safetensors"
    write_single_file(folder, file)
    shutil.copytree(folder, tmp_path / "dragons", ignore=shutil.ignore_patterns("*.safetensors"))
    return file


def without(tensors: dict[str, torch.Tensor], piece: str) -> dict[str, torch.Tensor]:
    return {name: value for name, value in tensors.items() if piece not in name}


@pytest.mark.parametrize(
    ("change", "pieces"),
    [
        (lambda tensors: without(tensors, "first_stage_model"), ["vae", "configured by the folder dragons"]),
        (
            lambda tensors: without(tensors, "model.diffusion_model"),
            ["unet", "configured by the folder dragons"],
        ),
        (
            lambda tensors: without(tensors, "decoder.norm_out.weight"),
            ["vae", "some of its weights are missing"],
        ),
        (lambda tensors: without(tensors, "time_embed.0.bias"), ["unet", "some of its weights are missing"]),
        (lambda tensors: without(tensors, "final_layer_norm.bias"), ["text_encoder lacks 1 of its weights"]),
        (
            lambda tensors: tensors | {"model.diffusion_model.time_embed.0.bias": torch.zeros(7)},
            ["unet", "time_embedding.linear_1.bias has shape [7] instead of [128]"],
        ),
        (
            lambda tensors: tensors | {"edm_mean": torch.zeros(4)},
            ["was trained with EDM noise, which its PNDMScheduler does not support"],
        ),
        (
            lambda tensors: (
                tensors | {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(32, 9, 3, 3)}
            ),
            ["is for inpainting", "reads 9 channels"],
        ),
    ],
)
def test_the_part_of_a_checkpoint_and_the_reason_are_named(
    tiny_sd1: Path,
    tmp_path: Path,
    change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    pieces: list[str],
) -> None:
    file = single_with_folder(tiny_sd1, tmp_path)
    save_file(change(load_file(file)), file)
    with pytest.raises(ModelUnusable) as raised:
        load(ModelConfig(source=str(file), device="cpu"))
    message = raised.value.message
    assert [piece for piece in ["dragons.safetensors", *pieces] if piece not in message] == [], message


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        ("model_index.json", "dragons/model_index.json is missing or cannot be read"),
        (
            "tokenizer/tokenizer.json",
            "dragons/tokenizer has no vocabulary: tokenizer.json or vocab.json is missing",
        ),
        (
            "vae/config.json",
            "dragons.safetensors: vae, configured by the folder dragons, could not be loaded",
        ),
    ],
)
def test_what_is_missing_in_the_folder_beside_it(
    tiny_sd1: Path, tmp_path: Path, harm: str, message: str
) -> None:
    file = single_with_folder(tiny_sd1, tmp_path)
    (tmp_path / "dragons" / harm).unlink()
    with pytest.raises(NotReady) as raised:
        load(ModelConfig(source=str(file), device="cpu"))
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"family": "flux-dev"},
            "the model dragons.safetensors is not of the family flux-dev: it is a ",
        ),
        (
            {"component_dtypes": {"vae": "float32"}},
            "dragons.safetensors is a single file: component_dtypes is for a model's folder",
        ),
    ],
)
def test_what_only_a_folder_can_be_requested(
    tiny_sd1: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    file = single_with_folder(tiny_sd1, tmp_path)
    with pytest.raises(NotReady) as raised:
        load(ModelConfig(source=str(file), device="cpu", **settings))
    assert raised.value.message.startswith(said)
