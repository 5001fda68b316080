"""Load each family's tiny model as an operator would, and compare it with the stock pipeline."""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from deployments.diffusion.model import quantization as quantization_module
from deployments.diffusion.model.conditioning import truncations
from deployments.diffusion.model.families import FAMILIES, PIPELINES, detect, family_named, family_of
from deployments.diffusion.model.folder import Precisions
from deployments.diffusion.model.loader import _precisions, load
from deployments.diffusion.model.model_config import ModelConfig, QuantizationConfig
from deployments.diffusion.model.quantization import Quantization
from deployments.diffusion.model.registry import card_of, describe
from deployments.diffusion.painter import PaintRequest
from deployments.errors import ModelUnusable
from tests.support.tiny_families import TINY

TinyModel = Callable[[str], Path]
NAMES = [pytest.param(name, id=name) for name in TINY]
LATENT_FACTORS = {"sana": 32, "kolors": 8}
"""Pixels per latent; 16 for all other families: 8 by the VAE times 2 by the patch."""


def paint(pipeline: Any, prompt: str = "a red knight", steps: int = 2) -> Any:
    family = family_of(type(pipeline).__name__)
    requested: dict[str, Any] = {"prompt": prompt, "num_inference_steps": steps, "width": 64, "height": 64}
    seeded = {"generator": torch.Generator().manual_seed(7), "output_type": "np"}
    if family.area_argument:
        requested[family.area_argument] = 64 * 64
    pipeline.set_progress_bar_config(disable=True)
    return pipeline(**requested, **seeded, **family.arguments).images[0]


@pytest.mark.parametrize("name", NAMES)
def test_a_familys_folder_is_opened_and_paints_as_stock_does(name: str, tiny_model: TinyModel) -> None:
    folder = tiny_model(name)
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 2_500_000
    ours = load(ModelConfig(str(folder), device="cpu"))
    picture = paint(ours)
    assert picture.shape == (64, 64, 3)
    assert np.array_equal(picture, paint(DiffusionPipeline.from_pretrained(str(folder))))
    for other in (paint(ours, prompt="a castle by the sea"), paint(ours, steps=3)):
        assert np.abs(picture - other).max() > 1e-3


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # From torch's own compiler.
@pytest.mark.parametrize("name", NAMES)
def test_every_familys_denoiser_can_be_compiled(name: str, tiny_model: TinyModel) -> None:
    pipeline = load(ModelConfig(str(tiny_model(name)), device="cpu", compile=True))
    denoiser = getattr(pipeline, family_of(type(pipeline).__name__).denoiser)
    # The slow part, at the first forward, is not run.
    assert any(module._compiled_call_impl is not None for module in denoiser.modules())


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_half_precision_on_a_gpu_is_what_the_family_is_made_for(family: Any) -> None:
    def precisions(**config: Any) -> Precisions:
        return _precisions(ModelConfig("any", **config), "cuda", family)

    halves = ("sd1", "sd2", "sdxl", "kolors", "pixart-sigma", "hunyuan-dit")
    assert precisions().of("vae") == ("float16" if family.name in halves else "bfloat16")
    assert precisions(dtype="float32").of("transformer") == "float32"
    assert precisions(component_dtypes={"vae": "float32"}).of("vae") == "float32"


@pytest.mark.parametrize("name", NAMES)
def test_a_familys_folder_is_described_by_its_files(name: str, tiny_model: TinyModel) -> None:
    card = describe(str(tiny_model(name)))
    assert card.family.name == name
    assert card.tasks == family_named(name).tasks and card.tasks[0] == "text_to_image"
    assert card.latent_factor == LATENT_FACTORS.get(name, 16)
    assert card.native_size == ((1024, 1024) if name in ("qwen-image", "sana") else (64, 64))
    assert (card.licence, card.commercial_use) == ("unknown: see the model's own card",) * 2


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_says_what_diffusers_pipelines_take(family: Any) -> None:
    for kind in family.pipelines:
        made = getattr(diffusers, kind)
        if getattr(made, "_backends", None):
            pytest.skip("diffusers has only a placeholder for it here")
        takes = inspect.signature(made.__call__).parameters
        assert family.guidance_argument in takes
        assert set(family.arguments) <= set(takes)
        assert ("negative_prompt" in takes) >= family.takes_negative_prompt
        assert family.denoiser in inspect.signature(made.__init__).parameters
        if "max_sequence_length" in family.arguments:
            assert family.arguments["max_sequence_length"] == family.prompt_tokens
        denoiser = {"unet": "UNet2DConditionModel"}.get(family.denoiser)
        if denoiser is None and (family.shared or family.row_lists):
            part = inspect.signature(made.__init__).parameters["transformer"].annotation
            part = getattr(diffusers, part) if isinstance(part, str) else part
            read = inspect.signature(part.forward).parameters
            assert family.shared <= set(read)


def test_every_family_is_found_again_by_its_signature() -> None:
    for family in FAMILIES:
        for pipeline in family.pipelines:
            index = {"_class_name": pipeline, **family.index}
            assert detect(index, family.config, f"My-{family.named}") is family
        assert family_named(family.name) is family
    assert detect({"_class_name": "FluxFillPipeline"}, {}) is None
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert family_of("FluxFillPipeline").pipelines == ()
    with pytest.raises(ValueError, match=r"unknown family 'flux': it must be one of sd2, sd1, "):
        family_named("flux")
    with pytest.raises(ValueError, match="unknown family 'flux'"):
        ModelConfig("a/b", family="flux")


def test_stable_diffusion_1_and_2_are_distinguished(tiny_sd1: Path, tmp_path: Path) -> None:
    assert describe(str(tiny_sd1)).family.name == "sd1"
    second = tmp_path / "second"
    shutil.copytree(tiny_sd1, second)
    change(second / "unet/config.json", cross_attention_dim=1024)
    assert describe(str(second)).family.name == "sd2"


def test_an_unknown_hub_id_is_of_the_family_that_the_operator_names() -> None:
    assert card_of(ModelConfig("someone/tune")).family.name == "unknown"
    card = card_of(ModelConfig("someone/tune", family="sana"))
    assert (card.family.name, card.latent_factor, card.native_size) == ("sana", 32, (1024, 1024))


def refusal(**config: Any) -> str:
    with pytest.raises(ModelUnusable) as raised:
        load(ModelConfig(**({"device": "cpu"} | config)))
    return raised.value.message


def test_a_model_of_another_family_than_the_operator_named_is_refused(tiny_model: TinyModel) -> None:
    folder = tiny_model("flux-dev")
    assert refusal(source=str(folder), family="sana") == (
        f"the model {folder.name} is not of the family sana: it is flux-dev or flux-schnell"
    )
    as_named = load(ModelConfig(str(tiny_model("z-image")), device="cpu", family="z-image-turbo"))
    assert type(as_named).__name__ == "ZImagePipeline"


def test_each_part_is_loaded_in_its_own_dtype(tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.diffusion.model.loader._cpu_has_bfloat16", lambda: True)
    apart: Any = {"vae": "float32", "text_encoder_2": "float32"}
    source = str(tiny_model("flux-dev"))
    pipeline = load(ModelConfig(source, device="cpu", dtype="bfloat16", component_dtypes=apart))
    found = {part: getattr(pipeline, part).dtype for part in ("transformer", "text_encoder", *apart)}
    assert found == {
        "transformer": torch.bfloat16,
        "text_encoder": torch.bfloat16,
        "vae": torch.float32,
        "text_encoder_2": torch.float32,
    }
    assert refusal(source=source, component_dtypes={"unet": "float32"}).startswith(
        f"{Path(source).name} has no unet, which the settings name: it has scheduler, "
    )
    assert "float16 is far too slow on a CPU" in refusal(source=source, component_dtypes={"vae": "float16"})


def test_stable_diffusion_3_does_without_its_largest_encoder(tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tmp_path / "small-sd3"
    shutil.copytree(tiny_model("sd3"), folder)
    change(folder / "model_index.json", text_encoder_3=[None, None], tokenizer_3=[None, None])
    shutil.rmtree(folder / "text_encoder_3")
    pipeline = load(ModelConfig(str(folder), device="cpu"))
    assert pipeline.text_encoder_3 is None
    assert paint(pipeline).shape == (64, 64, 3)


@pytest.mark.parametrize("part", ["text_encoder_2", "tokenizer_2", "transformer", "vae"])
def test_a_part_that_a_family_needs_is_missed(part: str, tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tmp_path / "flux"
    shutil.copytree(tiny_model("flux-dev"), folder)
    change(folder / "model_index.json", **{part: [None, None]})
    assert refusal(source=str(folder)) == f"flux/model_index.json names no {part}"


def test_a_family_of_more_words_than_its_encoder_reads_is_refused(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    folder = tmp_path / "lumina"
    shutil.copytree(tiny_model("lumina2"), folder)
    shutil.rmtree(folder / "tokenizer")
    shutil.copytree(tiny_model("cogview4") / "tokenizer", folder / "tokenizer")
    change(folder / "model_index.json", tokenizer=["transformers", "PreTrainedTokenizerFast"])
    assert "lumina/tokenizer has 259 words, but text_encoder knows" in refusal(source=str(folder))


@pytest.mark.parametrize(
    "library", ["my_encoder", "diffusers_modules.local.mine", "stable_diffusion.pipeline_x", "../evil", "os"]
)
def test_a_models_own_code_is_never_run(library: str, tiny_model: TinyModel, tmp_path: Path) -> None:
    folder = tmp_path / "flux"
    shutil.copytree(tiny_model("flux-dev"), folder)
    change(folder / "model_index.json", text_encoder_2=[library, "T5EncoderModel"])
    assert "a model's own code is never run" in refusal(source=str(folder))


@pytest.mark.parametrize(
    ("backend", "package"),
    [
        ("torchao", "torchao"),
        ("bitsandbytes_4bit", "bitsandbytes"),
        ("bitsandbytes_8bit", "bitsandbytes"),
        ("gguf", "gguf"),
    ],
)
def test_quantization_without_its_package_is_refused_in_a_sentence(
    backend: Any, package: str, tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.diffusion.model.quantization._is_installed", lambda name: False)
    said = refusal(source=str(tiny_model("flux-schnell")), quantization=QuantizationConfig(backend))
    assert said == f"quantization with {backend} needs the Python package {package}, which is not installed"


def test_a_class_that_diffusers_only_mocks_names_the_package(
    tiny_model: TinyModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unavailable:
        _backends = ("sentencepiece",)

        @classmethod
        def from_pretrained(cls) -> None:
            raise ImportError("FluxPipeline requires the sentencepiece library but it was not found")

    monkeypatch.setattr(diffusers, "FluxPipeline", Unavailable)
    said = refusal(source=str(tiny_model("flux-dev")))
    assert said.endswith("it needs the Python package sentencepiece, which is not installed")


def test_every_pipeline_class_of_the_table_is_one_of_diffusers() -> None:
    assert all(hasattr(diffusers, kind) for kind in PIPELINES)


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


@pytest.mark.parametrize(
    ("name", "room"),
    [("sd3", 512), ("flux-dev", 512), ("flux-schnell", 256), ("pixart-sigma", 300), ("qwen-image", 1024)],
)
def test_a_prompt_longer_than_a_family_reads_is_warned_of(
    name: str, room: int, tiny_model: TinyModel
) -> None:
    pipeline = load(ModelConfig(str(tiny_model(name)), device="cpu"))
    words = "ab" * room  # One token per letter.

    def said(guided: bool) -> list[str]:
        request = PaintRequest(words, words, 2, 4.0, 0, 64, 64)
        return [warning.partition(" is ")[0] for warning in truncations(pipeline, request, guided)]

    takes = family_of(type(pipeline).__name__).takes_negative_prompt
    assert said(guided=True) == (["prompt", "negative_prompt"] if takes else ["prompt"])
    assert said(guided=False) == ["prompt"]
    warned = truncations(pipeline, PaintRequest(words, None, 2, 4.0, 0, 64, 64), False)
    assert warned[0].endswith(f"; the model reads the first {room}")
    assert truncations(pipeline, PaintRequest("a knight " * 20, None, 2, 4.0, 0, 64, 64), False) == ()


def test_without_its_largest_encoder_stable_diffusion_3_reads_77(
    tiny_model: TinyModel, tmp_path: Path
) -> None:
    folder = tmp_path / "small-sd3"
    shutil.copytree(tiny_model("sd3"), folder)
    change(folder / "model_index.json", text_encoder_3=[None, None], tokenizer_3=[None, None])
    pipeline = load(ModelConfig(str(folder), device="cpu"))
    (warning,) = truncations(pipeline, PaintRequest("ab" * 60, None, 2, 4.0, 0, 64, 64), False)
    assert warning.endswith("the model reads the first 77")


def test_only_the_named_networks_are_quantized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.diffusion.model.quantization._is_installed", lambda name: True)
    by_theirs = partial(SimpleNamespace, by="transformers")
    by_diffusers = partial(SimpleNamespace, by="diffusers")
    monkeypatch.setitem(quantization_module.of_diffusers, "bitsandbytes_4bit", by_diffusers)
    monkeypatch.setitem(quantization_module.of_transformers, "bitsandbytes_4bit", by_theirs)
    monkeypatch.setattr(diffusers, "PipelineQuantizationConfig", SimpleNamespace)
    options, parts = {"bnb_4bit_quant_type": "nf4"}, ("transformer", "text_encoder")
    quantization = Quantization(QuantizationConfig("bitsandbytes", options, parts), "transformer")
    wanted: dict[str, Any] = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
    assert quantization.of("transformer", by_diffusers=True) == by_diffusers(**wanted)
    assert quantization.of("text_encoder", by_diffusers=False) == by_theirs(**wanted)
    assert quantization.of("vae", by_diffusers=True) is None
    with pytest.raises(ModelUnusable, match="quantization with torchao could not be loaded: "):
        Quantization(QuantizationConfig("torchao", {"bits": 3}), "transformer")
    with pytest.raises(ModelUnusable, match="GGUF files are not supported"):
        Quantization(QuantizationConfig("gguf"), "transformer")
