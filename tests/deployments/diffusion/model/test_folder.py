"""Model folders as users have them: whole or sharded, plain or as variants, mixed, and broken."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.errors import ModelUnusable, NotReady

Paint = Callable[[Any], Any]
DTYPES = {"": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
UNET = "diffusion_pytorch_model"


@pytest.fixture(scope="module")
def saved(tiny_sd1: Path, tiny_sdxl: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a folder saved by diffusers: by family and variant, sharded or not. Never changed."""
    done: dict[tuple[str, str, bool], Path] = {}

    def save(family: str, variant: str, sharded: bool) -> Path:
        if (family, variant, sharded) not in done:
            kind: Any = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
            source = tiny_sdxl if family == "sdxl" else tiny_sd1
            pipeline = kind.from_pretrained(source, dtype=DTYPES[variant])
            folder = tmp_path_factory.mktemp("saved") / f"{family}-{variant or 'plain'}"
            how = {"max_shard_size": "60KB"} if sharded else {}
            pipeline.save_pretrained(folder, variant=variant or None, **how)
            done[family, variant, sharded] = folder
        return done[family, variant, sharded]

    return save


@pytest.fixture
def folder(saved: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Return a copy that a test may change."""
    return lambda *how: Path(shutil.copytree(saved(*how), tmp_path / "dragons"))


def load_cpu(folder: Path, **config: Any) -> Any:
    return load(ModelConfig(source=str(folder), device="cpu", **config))


def refused(folder: Path, kind: type[NotReady] = NotReady, **config: Any) -> str:
    with pytest.raises(NotReady) as raised:
        load_cpu(folder, **config)
    assert type(raised.value) is kind
    assert str(folder.parent) not in raised.value.message
    return raised.value.message


def weights_of(pipeline: Any) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value
        for name, part in pipeline.components.items()
        if hasattr(part, "state_dict")
        for key, value in part.state_dict().items()
    }


@pytest.mark.parametrize("sharded", [False, True])
@pytest.mark.parametrize("variant", DTYPES)
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_every_shape_of_a_folder_loads(
    family: str, variant: str, sharded: bool, saved: Callable[..., Path], tiny_sd1: Path, tiny_sdxl: Path
) -> None:
    folder = saved(family, variant, sharded)
    assert sharded == (len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1)
    loaded = weights_of(load_cpu(folder))
    wanted = weights_of(load_cpu(tiny_sdxl if family == "sdxl" else tiny_sd1))
    assert loaded.keys() == wanted.keys()
    for name, value in loaded.items():
        assert torch.equal(value, wanted[name].to(DTYPES[variant]).to(value.dtype)), name


def rename_all(folder: Path, change: Callable[[str], str]) -> None:
    for file in sorted(folder.iterdir()):
        file.rename(folder / change(file.name))


def legacy(name: str) -> str:
    """Return the name that diffusers before 0.31 gave to a file of a sharded variant."""
    stem, number = f"{UNET}.fp16-", name.removeprefix(f"{UNET}.fp16-").removesuffix(".safetensors")
    if name.startswith(stem):
        return f"{UNET}-{number}.fp16.safetensors"
    return name.replace(".index.fp16.json", ".fp16.index.json")


SPELLINGS: dict[str, Callable[[str], str]] = {
    "legacy": legacy,
    "legacy shards": lambda name: name if name.endswith(".json") else legacy(name),
    "legacy index": lambda name: legacy(name) if name.endswith(".json") else name,
    "index before": lambda name: name.replace(".safetensors.index.fp16.json", ".fp16.safetensors.index.json"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_other_spellings_of_a_variant_in_shards(spelling: str, folder: Callable[..., Path]) -> None:
    model = folder("sd1", "fp16", True)
    rename_all(model / "unet", SPELLINGS[spelling])
    assert load_cpu(model).unet.dtype == torch.float32


@pytest.mark.parametrize("fitted", [True, False])
def test_shards_without_their_index(folder: Callable[..., Path], fitted: bool) -> None:
    model = folder("sd1", "fp16", True)
    for index in model.rglob("*.index.*"):
        index.unlink()
    if fitted:
        load_cpu(model)
        return
    last = sorted((model / "unet").glob("*.safetensors"))[-1]
    last.unlink()
    assert refused(model) == f"dragons/unet/{last.name} is missing"


def test_a_variant_of_one_part_alone(folder: Callable[..., Path], tiny_sd1: Path, paint: Paint) -> None:
    model = folder("sd1", "", False)
    half = StableDiffusionPipeline.from_pretrained(tiny_sd1, dtype=torch.float16)
    for part in ("unet", "text_encoder"):
        for file in (model / part).glob("*.safetensors"):
            file.unlink()
        getattr(half, part).save_pretrained(model / part, variant="fp16")
    picture = paint(load_cpu(model))
    assert np.isfinite(picture).all() and picture.std() > 0


def test_both_variants_each_for_its_precision(
    folder: Callable[..., Path], saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is not even read."""
    model = folder("sd1", "", False)
    shutil.copytree(saved("sd1", "bf16", False), model, dirs_exist_ok=True)
    variant, plain = model / f"unet/{UNET}.bf16.safetensors", model / f"unet/{UNET}.safetensors"
    whole = variant.read_bytes()
    variant.write_bytes(b"torn")
    load_cpu(model)
    variant.write_bytes(whole)
    plain.write_bytes(b"torn")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert load_cpu(model, dtype="bfloat16").unet.dtype == torch.bfloat16
    assert refused(model) == f"dragons/unet/{UNET}.safetensors is cut short or not a safetensors file"


def test_on_a_gpu_the_half_precision_is_read(
    folder: Callable[..., Path], saved: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = folder("sd1", "", False)
    shutil.copytree(saved("sd1", "fp16", False), model, dirs_exist_ok=True)
    (model / f"unet/{UNET}.safetensors").write_bytes(b"torn")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr("deployments.diffusion.model.loader.fit", lambda pipeline, config, device: None)
    pipeline = load(ModelConfig(source=str(model)))
    assert {part.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)} == {torch.float16}


def test_every_index_was_fetched_and_one_variant(
    folder: Callable[..., Path], saved: Callable[..., Path]
) -> None:
    model = folder("sd1", "fp16", True)
    for index in saved("sd1", "", True).rglob("*.index.json"):
        shutil.copy(index, model / index.parent.name)
    load_cpu(model)


def test_parts_that_painting_needs_not_are_not_requested(folder: Callable[..., Path]) -> None:
    """Stable Diffusion 1.5 has them, and transformers 5 no longer has its feature extractor's class."""
    model = folder("sd1", "fp16", False)
    index = json.loads((model / "model_index.json").read_text())
    index["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    index["image_encoder"] = ["transformers", "CLIPVisionModelWithProjection"]
    index["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index["somebody's"] = ["their_module", "Theirs"]
    (model / "model_index.json").write_text(json.dumps(index))
    shutil.copytree(model / "tokenizer", model / "somebody's")
    (model / "LICENSE").write_text("a file without a dot")
    (model / "unet/README").write_text("another")
    assert load_cpu(model).feature_extractor is None


def change(folder: Path, file: str, **values: Any) -> None:
    content = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps(content | values))


def name_class(folder: Path, part: str, library: str, name: str) -> None:
    change(folder, "model_index.json", **{part: [library, name]})


def resave(file: Path, edit: Callable[[dict[str, torch.Tensor]], object]) -> None:
    tensors = load_file(file)
    edit(tensors)
    save_file(tensors, file, {"format": "pt"})


def lose_weight(folder: Path) -> None:
    resave(folder / f"vae/{UNET}.fp16.safetensors", lambda tensors: tensors.pop("decoder.conv_in.weight"))


def lose_text_weight(folder: Path) -> None:
    resave(folder / "text_encoder/model.fp16.safetensors", lambda tensors: tensors.pop(sorted(tensors)[0]))


def widen_weight(folder: Path) -> None:
    key = "conv_in.bias"
    resave(folder / f"unet/{UNET}.fp16.safetensors", lambda tensors: tensors.update({key: torch.zeros(7)}))


def widen_text_weight(folder: Path) -> None:
    file = folder / "text_encoder/model.fp16.safetensors"
    resave(
        file, lambda tensors: tensors.update({next(k for k in tensors if "fc1.bias" in k): torch.zeros(7)})
    )


def as_a_folder(folder: Path) -> None:
    """Make the file unreadable, even for root."""
    file = folder / f"unet/{UNET}.fp16.safetensors"
    file.unlink()
    file.mkdir()


def unknown_type(folder: Path) -> None:
    file = folder / f"unet/{UNET}.fp16.safetensors"
    file.write_bytes(file.read_bytes().replace(b'"F16"', b'"F61"', 1))


def no_words(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        if file.name != "tokenizer_config.json":
            file.unlink()


FAULTS: dict[str, tuple[Callable[[Path], object], type[NotReady], list[str]]] = {
    "a VAE that lacks a weight": (
        lose_weight,
        ModelUnusable,
        [
            "dragons/vae lacks",
            f"({UNET}.fp16.safetensors)",
            "lacks 1 of its weights, including decoder.conv_in.weight",
        ],
    ),
    "a text encoder that lacks a weight": (
        lose_text_weight,
        ModelUnusable,
        ["dragons/text_encoder lacks", "(model.fp16.safetensors)", "lacks 1 of its weights"],
    ),
    "a UNet of another shape": (
        widen_weight,
        ModelUnusable,
        [f"dragons/unet ({UNET}.fp16.safetensors)", "conv_in.bias has shape [7] instead of [32]"],
    ),
    "a text encoder of another shape": (
        widen_text_weight,
        ModelUnusable,
        [
            "dragons/text_encoder (model.fp16.safetensors)",
            "fc1.bias has shape [7] instead of [64]",
        ],
    ),
    "weights that cannot be read": (
        as_a_folder,
        NotReady,
        [f"dragons/unet/{UNET}.fp16.safetensors cannot be read: Is a directory"],
    ),
    "weights of no known type": (
        unknown_type,
        ModelUnusable,
        [f"dragons/unet/{UNET}.fp16.safetensors is corrupt", "F61"],
    ),
    "a scheduler that needs scipy": (
        partial(name_class, part="scheduler", library="diffusers", name="LMSDiscreteScheduler"),
        ModelUnusable,
        [
            "dragons/scheduler (LMSDiscreteScheduler)",
            "it needs the Python package scipy, which is not installed",
        ],
    ),
    "a scheduler whose option needs scipy": (
        lambda folder: (
            name_class(folder, "scheduler", "diffusers", "EulerDiscreteScheduler"),
            change(folder, "scheduler/scheduler_config.json", use_beta_sigmas=True),
        ),
        ModelUnusable,
        [
            "dragons/scheduler (EulerDiscreteScheduler)",
            "it needs the Python package scipy, which is not installed",
        ],
    ),
    "a scheduler that needs torchsde": (
        partial(name_class, part="scheduler", library="diffusers", name="DPMSolverSDEScheduler"),
        ModelUnusable,
        [
            "dragons/scheduler (DPMSolverSDEScheduler)",
            "it needs the Python package torchsde, which is not installed",
        ],
    ),
    "a scheduler of another family": (
        partial(name_class, part="scheduler", library="diffusers", name="FlowMatchEulerDiscreteScheduler"),
        ModelUnusable,
        ["dragons", "scheduler FlowMatchEulerDiscreteScheduler is for models of another family"],
    ),
    "a scheduler that nobody knows": (
        partial(name_class, part="scheduler", library="diffusers", name="MagicScheduler"),
        ModelUnusable,
        ["dragons/scheduler is a MagicScheduler, which the installed diffusers does not have"],
    ),
    "a scheduler with an impossible setting": (
        partial(change, file="scheduler/scheduler_config.json", beta_schedule="magic"),
        ModelUnusable,
        ["dragons/scheduler (PNDMScheduler)", "magic"],
    ),
    "a UNet with code of its own": (
        partial(name_class, part="unet", library="my_unet", name="Mine"),
        ModelUnusable,
        ["dragons/unet is from the library my_unet: a model's own code is never run"],
    ),
    "no text encoder": (
        partial(name_class, part="text_encoder", library=None, name=None),
        ModelUnusable,
        ["dragons/model_index.json names no text_encoder"],
    ),
    "a tokenizer without its words": (
        no_words,
        NotReady,
        ["dragons/tokenizer has no vocabulary: tokenizer.json or vocab.json is missing"],
    ),
    "a tokenizer that cannot be read": (
        lambda folder: (folder / "tokenizer/tokenizer.json").write_text("{"),
        ModelUnusable,
        ["dragons/tokenizer (CLIPTokenizer)"],
    ),
    "a tokenizer with words that its text encoder does not know": (
        lambda folder: (
            change(folder, "text_encoder/config.json", vocab_size=100),
            resave(
                folder / "text_encoder/model.fp16.safetensors",
                lambda tensors: tensors.update(
                    {key: tensors[key][:100].clone() for key in tensors if "token_emb" in key}
                ),
            ),
        ),
        ModelUnusable,
        ["dragons/tokenizer has 514 words, but text_encoder knows 100"],
    ),
    "a text encoder of another family": (
        partial(change, file="text_encoder/config.json", hidden_size=64),
        ModelUnusable,
        ["dragons", "reads text of width 32, but its text encoder writes 64"],
    ),
    "a VAE of another family": (
        partial(change, file="vae/config.json", latent_channels=16),
        ModelUnusable,
        ["dragons", "its UNet reads 4 channels and writes 4, and the latents of its VAE have 16"],
    ),
    "for inpainting": (
        partial(change, file="unet/config.json", in_channels=9),
        ModelUnusable,
        ["dragons is for inpainting"],
    ),
    "for another task, by its pipeline": (
        partial(change, file="model_index.json", _class_name="StableDiffusionInpaintPipeline"),
        ModelUnusable,
        ["the model dragons is not a text-to-image", "it is a StableDiffusionInpaintPipeline"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_part_the_file_and_the_reason_are_named(fault: str, folder: Callable[..., Path]) -> None:
    model = folder("sd1", "fp16", False)
    harm, kind, pieces = FAULTS[fault]
    harm(model)
    message = refused(model, kind)
    assert [piece for piece in pieces if piece not in message] == [], message
    assert "do not fit together" not in message
