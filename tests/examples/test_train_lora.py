"""examples/train_lora.py: the bundled model accepts the LoRA that it writes."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deployments.diffusion.model.loader import load
from deployments.diffusion.model.lora_reader import LoraReader
from deployments.diffusion.model.model_config import ModelConfig
from examples import train_lora


def test_it_writes_a_lora_of_the_bundled_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "loras" / "ink.safetensors"
    options = ["--pictures", "3", "--steps", "2", "--batch", "2", "--rank", "2"]
    monkeypatch.setattr(sys, "argv", ["train_lora.py", str(file), *options])
    train_lora.main()
    model = load(ModelConfig("storybook-character", device="cpu"))
    changes = LoraReader(model, "storybook-character").read(file).networks["unet"]
    assert len(changes) > 20
    assert any(bool(change.up.abs().max()) for change in changes.values()), "it has learned something"


def test_a_figure_in_ink_keeps_its_backdrop() -> None:
    pixels = np.full((8, 8, 3), 208, np.uint8)
    pixels[2:6, 2:6] = (200, 20, 20)
    inked = np.asarray(train_lora.in_ink(Image.fromarray(pixels)))
    assert (inked[0] == 208).all()
    red, green, blue = inked[3, 3]
    assert red > green > blue
