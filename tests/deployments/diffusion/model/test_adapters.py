"""LoRAs that fit their model, and LoRAs that do not: the refusal names the LoRA and the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import LoraConfig, ModelConfig
from deployments.errors import ModelUnusable, NotReady

LAYER = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT_OUT = "lora_te_text_model_encoder_layers_0_self_attn_out_proj"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


def pair(layer: str, width: int = 32, rank: int = 4) -> dict[str, torch.Tensor]:
    return {
        f"{layer}.lora_down.weight": torch.randn(rank, width),
        f"{layer}.lora_up.weight": torch.randn(width, rank),
        f"{layer}.alpha": torch.tensor(float(rank)),
    }


def save(tmp_path: Path, tensors: dict[str, torch.Tensor], **metadata: str) -> Path:
    file = tmp_path / "my-style.safetensors"
    save_file({name: value.contiguous() for name, value in tensors.items()}, file, metadata or None)
    return file


def load_with(model: Path, file: Path) -> Any:
    return load(ModelConfig(source=str(model), device="cpu", lora=(LoraConfig(str(file)),)))


def refusal(model: Path, file: Path, kind: type[NotReady] = ModelUnusable) -> str:
    with pytest.raises(NotReady) as raised:
        load_with(model, file)
    assert type(raised.value) is kind
    assert "my-style" in raised.value.message and str(file.parent) not in raised.value.message
    return raised.value.message


def test_a_lora_as_trainers_save_it(tiny_sd1: Path, tmp_path: Path) -> None:
    pipeline = load_with(tiny_sd1, save(tmp_path, pair(LAYER) | pair(TEXT) | pair(TEXT_OUT)))
    assert pipeline.get_list_adapters() == {"unet": ["lora_0"], "text_encoder": ["lora_0"]}


@pytest.mark.parametrize(
    ("names", "form"),
    [
        ([f"{LAYER}.hada_w1_a", f"{LAYER}.hada_w1_b"], "a LoHa (LyCORIS)"),
        ([f"{LAYER}.lokr_w1", f"{LAYER}.lokr_w2"], "a LoKr (LyCORIS)"),
        ([f"{LAYER}.oft_blocks"], "an OFT network"),
        ([f"{LAYER}.lora_down.weight", f"{LAYER}.lora_mid.weight"], "a LoCon in Tucker form (LyCORIS)"),
        ([f"{LAYER}.lora_down.weight", f"{LAYER}.dora_scale"], "a DoRA"),
        (
            [f"{LAYER}.lora_down.weight", "bundle_emb.word.string_to_param"],
            "a LoRA with bundled embeddings",
        ),
    ],
)
def test_a_form_that_is_not_read(tiny_sd1: Path, tmp_path: Path, names: list[str], form: str) -> None:
    file = save(tmp_path, {name: torch.zeros(4, 4) for name in names})
    assert refusal(tiny_sd1, file) == f"the LoRA my-style.safetensors cannot be used: it is {form}"


@pytest.mark.parametrize(
    ("layer", "family"),
    [
        ("transformer.transformer_blocks.0.attn.to_q", "a model with a transformer"),
        ("lora_transformer_single_transformer_blocks_0_attn_to_q", "a model with a transformer"),
        ("lora_unet_double_blocks_0_img_attn_proj", "Flux"),
        ("lora_unet_joint_blocks_0_context_block_attn_proj", "Stable Diffusion 3"),
        ("diffusion_model.blocks.0.cross_attn.q", "other than Stable Diffusion 1, 2 or XL"),
        ("lora_te2_text_model_encoder_layers_0_self_attn_q_proj", "Stable Diffusion XL"),
        ("lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", "Stable Diffusion XL"),
    ],
)
def test_a_lora_of_another_family(tiny_sd1: Path, tmp_path: Path, layer: str, family: str) -> None:
    assert family in refusal(tiny_sd1, save(tmp_path, pair(layer)))


def test_a_lora_for_xl_that_says_so_in_its_metadata(tiny_sd1: Path, tmp_path: Path) -> None:
    file = save(tmp_path, pair(LAYER, 64), ss_base_model_version="sdxl_base_v1-0")
    assert refusal(tiny_sd1, file).endswith("does not fit tiny-sd1: it is for Stable Diffusion XL")


def test_a_lora_for_sd1_over_xl(tiny_sdxl: Path, tmp_path: Path) -> None:
    file = save(tmp_path, pair(LAYER), ss_base_model_version="sd_v1")
    assert refusal(tiny_sdxl, file).endswith("does not fit tiny-sdxl: it is for Stable Diffusion 1 or 2")


def test_a_lora_of_another_width(tiny_sd1: Path, tmp_path: Path) -> None:
    message = refusal(tiny_sd1, save(tmp_path, pair(LAYER, 48)))
    assert "does not fit tiny-sd1: its weight" in message
    assert "has shape [4, 48] instead of [4, 32]" in message


@pytest.mark.parametrize("layer", ["lora_unet_down_blocks_7_attentions_0_proj_in", "lora_unet_nonsense"])
def test_a_lora_that_changes_nothing(tiny_sd1: Path, tmp_path: Path, layer: str) -> None:
    assert "does not fit tiny-sd1: " in refusal(tiny_sd1, save(tmp_path, pair(layer)))


@pytest.mark.parametrize("name", ["weight", "text_model.embeddings.x", "emb_params"])
def test_another_kind_of_file(tiny_sd1: Path, tmp_path: Path, name: str) -> None:
    message = refusal(tiny_sd1, save(tmp_path, {name: torch.zeros(2)}))
    assert message == "my-style.safetensors is not a LoRA"


def test_a_lora_that_was_cut_short_or_is_not_there(tiny_sd1: Path, tmp_path: Path) -> None:
    file = save(tmp_path, pair(LAYER))
    file.write_bytes(file.read_bytes()[:-4])
    assert refusal(tiny_sd1, file, NotReady).startswith("my-style.safetensors is cut short")
    file.write_bytes(b"\x08" + bytes(7) + b'{"a": 1}')
    assert refusal(tiny_sd1, file).startswith("my-style.safetensors is corrupt")
    file.unlink()
    assert "the LoRA my-style.safetensors is not" in refusal(tiny_sd1, file, NotReady)
    file.mkdir()
    assert "is not a .safetensors file or a folder with exactly one" in refusal(tiny_sd1, file, NotReady)


def test_a_folder_with_two(tiny_sd1: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my-style"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    assert "more than one .safetensors file: name one" in refusal(tiny_sd1, folder)


def test_without_peft(tiny_sd1: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diffusers.utils.USE_PEFT_BACKEND", False)
    message = refusal(tiny_sd1, save(tmp_path, pair(LAYER)))
    assert "it needs the Python package peft, which is not installed" in message


@pytest.mark.parametrize("lost", ["lora_up.weight", "lora_down.weight"])
def test_a_lora_with_half_of_a_pair(tiny_sd1: Path, tmp_path: Path, lost: str) -> None:
    tensors = pair(LAYER) | pair(TEXT_OUT)
    del tensors[f"{LAYER}.{lost}"]
    assert refusal(tiny_sd1, save(tmp_path, tensors)) == (
        f"the LoRA my-style.safetensors cannot be used: its weight {LAYER}.{lost} is missing"
    )


def test_what_torch_reports_in_several_lines(tiny_sd1: Path, tmp_path: Path) -> None:
    whole = {name: value.to(torch.int8) for name, value in pair(LAYER).items()}
    message = refusal(tiny_sd1, save(tmp_path, whole))
    assert not message.endswith(":")
