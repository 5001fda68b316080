"""What the loader asks of the hub, to the last argument; nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline

from deployments.diffusion.config import ModelConfig
from deployments.diffusion.loader import load
from deployments.errors import NotReady

NO_CHECKER = {"safety_checker": None, "requires_safety_checker": False}
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
HUB_ARGUMENTS = {
    "dtype": torch.float32,
    "use_safetensors": True,
    "local_files_only": False,
    "trust_remote_code": False,
}


def refusal(**config: Any) -> str:
    with pytest.raises(NotReady) as raised:
        load(ModelConfig(**config))
    return raised.value.message


class Captured(Exception):
    pass


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What the hub would have been asked for."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def from_pretrained(source: str, **arguments: Any) -> None:
        calls.append((source, arguments))
        raise Captured

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(DiffusionPipeline, "from_pretrained", from_pretrained)
    monkeypatch.setattr(
        DiffusionPipeline,
        "load_config",
        lambda source, **_: {"_class_name": source.split("/")[1]},
        raising=True,
    )
    return calls


@pytest.mark.parametrize(
    ("source", "loaded", "extra"),
    [
        (SD15, SD15, NO_CHECKER),
        ("runwayml/stable-diffusion-v1-5", SD15, NO_CHECKER),
        ("stabilityai/stable-diffusion-2-1", "stabilityai/stable-diffusion-2-1", NO_CHECKER),
        (SDXL, SDXL, {}),
        ("someone/StableDiffusionPipeline", "someone/StableDiffusionPipeline", NO_CHECKER),
        ("someone/StableDiffusionXLPipeline", "someone/StableDiffusionXLPipeline", {}),
    ],
)
def test_what_the_hub_is_asked_for(
    asked: list[tuple[str, dict[str, Any]]], source: str, loaded: str, extra: dict[str, Any]
) -> None:
    refusal(source=source, device="cpu")
    assert asked == [(loaded, HUB_ARGUMENTS | extra)]


def test_offline_is_honoured(
    asked: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    refusal(source=SDXL, device="cpu")
    assert asked == [(SDXL, HUB_ARGUMENTS | {"local_files_only": True})]


def test_another_kind_of_pipeline_is_refused(asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert "someone/FluxPipeline is not a text-to-image Stable Diffusion" in refusal(
        source="someone/FluxPipeline"
    )
    assert asked == []


@pytest.mark.parametrize(
    "source", ["/no/such/dragons", "./dragons", "../a/dragons", "here/dragons.safetensors"]
)
def test_a_source_that_is_nothing(asked: list[tuple[str, dict[str, Any]]], source: str) -> None:
    name = Path(source).name
    assert refusal(source=source) == f"the model {name} is neither here nor the id of one on the hub"
    assert asked == []
