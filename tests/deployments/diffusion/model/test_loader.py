from __future__ import annotations

import gc
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from peft import LoraConfig as PeftLora
from peft.utils import get_peft_model_state_dict

from deployments.diffusion.model.loader import load, unload
from deployments.diffusion.model.model_config import LoraConfig, ModelConfig
from deployments.errors import NotReady

Paint = Callable[[Any], Any]


def refusal(**config: Any) -> str:
    with pytest.raises(NotReady) as raised:
        load(ModelConfig(**config))
    return raised.value.message


@pytest.mark.parametrize(
    ("family", "expected", "predicts"),
    [
        ("tiny_sd1", StableDiffusionPipeline, "epsilon"),
        ("tiny_sd2", StableDiffusionPipeline, "v_prediction"),
        ("tiny_sdxl", StableDiffusionXLPipeline, "epsilon"),
    ],
)
def test_each_family_loads_and_paints(
    family: str,
    expected: Any,
    predicts: str,
    request: pytest.FixtureRequest,
    paint: Paint,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = request.getfixturevalue(family)
    capfd.readouterr()
    pipeline = load(ModelConfig(source=str(folder), threads=1))
    assert type(pipeline) is expected
    assert pipeline.scheduler.config.prediction_type == predicts
    assert pipeline.unet.dtype == torch.float32 and pipeline.device.type == "cpu"
    for convolution in (pipeline.unet.conv_in, pipeline.vae.decoder.conv_in):
        assert convolution.weight.is_contiguous(memory_format=torch.channels_last)
    assert pipeline.vae.use_slicing
    assert getattr(pipeline, "safety_checker", None) is None
    picture = paint(pipeline)
    assert picture.shape == (64, 64, 3) and np.isfinite(picture).all() and picture.std() > 0
    assert capfd.readouterr().err == "", "no progress bars and no warnings"


def test_harm_found_by_the_file_checks_is_reported(tiny_sd1: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "torn"))
    weights = folder / "vae/diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8])
    assert refusal(source=str(folder)).startswith("torn/vae/diffusion_pytorch_model.safetensors is cut short")


def test_harm_found_only_by_loading_is_reported_without_paths(
    tiny_sd1: Path, tiny_sdxl: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = Path(shutil.copytree(tiny_sd1, tmp_path / "mixed"))
    shutil.copy(tiny_sdxl / "unet/config.json", folder / "unet/config.json")
    assert "mixed: its UNet and its text encoders are of different families" in refusal(source=str(folder))
    shutil.copy(tiny_sd1 / "unet/config.json", folder / "unet/config.json")
    (folder / "scheduler/scheduler_config.json").write_text('{"beta_schedule": "magic"}')
    message = refusal(source=str(folder))
    assert message.startswith("mixed/scheduler (PNDMScheduler) could not be loaded: magic is not implemented")
    assert any(record.exc_info for record in caplog.records), "the details are in the log"


def test_a_bundled_model_that_was_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.diffusion.model.registry.BUNDLED_FOLDER", tmp_path)
    message = refusal(source="storybook-character")
    assert message == "storybook-character/model_index.json is missing or cannot be read"


def test_half_precision_on_a_cpu_is_refused(tiny_sd1: Path) -> None:
    message = refusal(source=str(tiny_sd1), device="cpu", dtype="float16")
    assert message.startswith("float16 is far too slow on a CPU: set dtype to auto or float32")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there(tiny_sd1: Path) -> None:
    assert "there is none: set device to auto or cpu" in refusal(source=str(tiny_sd1), device="cuda")


@pytest.fixture
def capabilities(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    """Return the CPU's capabilities, which a test may change."""
    named: dict[str, bool] = {}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: named)
    return named


def test_bfloat16_is_for_cpus_that_have_it(tiny_sd1: Path, capabilities: dict[str, bool]) -> None:
    message = refusal(source=str(tiny_sd1), device="cpu", dtype="bfloat16")
    assert message.startswith("this CPU has no native bfloat16")


def test_the_unet_is_compiled_where_that_is_requested(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[dict[str, Any]] = []
    monkeypatch.setattr(torch, "compile", lambda module, **how: compiled.append(how))
    load(ModelConfig(source=str(tiny_sd1), device="cpu"))
    assert compiled == []
    load(ModelConfig(source=str(tiny_sd1), device="cpu", compile=True))
    how = {"dynamic": False, "recompile_limit": 64, "options": {"freezing": True}}
    assert compiled == [how]


def test_bfloat16_and_threads(
    tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool]
) -> None:
    capabilities["avx512_bf16"] = True
    threads: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    pipeline = load(ModelConfig(source=str(tiny_sd1), device="cpu", dtype="bfloat16", threads=3))
    assert pipeline.unet.dtype == torch.bfloat16 and threads == [3]


@pytest.fixture(scope="module")
def lora(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a LoRA as a trainer would, with weights far from the zeros of a new one."""
    pipeline = StableDiffusionPipeline.from_pretrained(tiny_sd1)
    torch.manual_seed(11)
    pipeline.unet.add_adapter(PeftLora(r=4, target_modules=["to_q", "to_v"], init_lora_weights=False))
    folder = tmp_path_factory.mktemp("loras") / "ink"
    StableDiffusionPipeline.save_lora_weights(
        folder, unet_lora_layers=get_peft_model_state_dict(pipeline.unet)
    )
    return folder


def test_a_lora_changes_the_picture_by_its_scale(tiny_sd1: Path, lora: Path, paint: Paint) -> None:
    def painted(*loras: LoraConfig) -> Any:
        return paint(load(ModelConfig(source=str(tiny_sd1), device="cpu", lora=loras)))

    file = str(lora / "pytorch_lora_weights.safetensors")
    plain, full, half = painted(), painted(LoraConfig(str(lora))), painted(LoraConfig(file, scale=0.5))
    assert np.abs(full - plain).max() > 1e-3 and np.abs(half - full).max() > 1e-4
    assert np.allclose(painted(LoraConfig(file, scale=0.0)), plain, atol=1e-5)
    both = painted(LoraConfig(file, scale=0.5), LoraConfig(file, scale=0.5))
    assert np.allclose(both, full, atol=1e-4), "two halves make a whole"


def test_what_is_not_a_lora(tiny_sd1: Path, tmp_path: Path) -> None:
    source = str(tiny_sd1)
    assert "the LoRA gone is not" in refusal(source=source, lora=(LoraConfig(str(tmp_path / "gone")),))
    weights = tiny_sd1 / "vae/diffusion_pytorch_model.safetensors"
    assert refusal(source=source, lora=(LoraConfig(str(weights)),)) == f"{weights.name} is not a LoRA"
    pickle = tmp_path / "ink.pt"
    pickle.write_bytes(b"")
    assert refusal(source=source, lora=(LoraConfig(str(pickle)),)).startswith("ink.pt is a pickle")


def test_unloading_frees_the_model_though_the_pipeline_is_still_held(tiny_sdxl: Path) -> None:
    pipeline = load(ModelConfig(source=str(tiny_sdxl), device="cpu"))
    parts = [weakref.ref(part) for part in pipeline.components.values() if isinstance(part, torch.nn.Module)]
    unload(pipeline)
    gc.collect()
    assert len(parts) == 4 and all(part() is None for part in parts)
