"""Run the whole training command with the smallest settings that work."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline

import deployments.diffusion.model.patch_autoencoder  # noqa: F401 (a part of the bundled models)
from models.training.networks.latents import FILE
from models.training.subjects import SUBJECTS
from models.training.training_pictures import sample_specs


@pytest.mark.parametrize("subject", ["background", pytest.param("character", marks=pytest.mark.slow)])
def test_a_model_is_made_from_nothing_and_paints(subject: str, tmp_path: Path) -> None:
    out = tmp_path / "model"
    command = [
        sys.executable,
        "-m",
        "models.training",
        subject,
        "--out",
        str(out),
        "--work",
        str(tmp_path / "work"),
    ]
    tiny = [
        "--pictures=12",
        "--text-steps=2",
        "--steps=2",
        "--decoder-steps=2",
        "--refining-steps=1",
        "--sharpening-steps=1",
        "--threads=1",
    ]
    finished = subprocess.run([*command, *tiny], capture_output=True, text=True, timeout=280, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    assert f"wrote {out}" in finished.stdout
    assert (out / FILE).exists()
    assert not list(out.rglob("*.bin"))
    words = json.loads((out / "tokenizer" / "tokenizer.json").read_text(encoding="utf-8"))
    assert (words["padding"], words["truncation"]) == (None, None)

    pipeline = DiffusionPipeline.from_pretrained(out, dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    width, height = SUBJECTS[subject].native_size
    picture = pipeline("a castle", num_inference_steps=2, generator=torch.manual_seed(1)).images[0]
    assert picture.size == (width, height)


def test_a_model_in_other_latents_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "old" / "vae").mkdir(parents=True)
    (tmp_path / "old" / "vae" / "config.json").write_text('{"_class_name": "AutoencoderTiny"}')
    command = [sys.executable, "-m", "models.training", "character", "--work", str(tmp_path / "work")]
    old = ["--start-from", str(tmp_path / "old")]
    finished = subprocess.run([*command, *old], capture_output=True, text=True, timeout=280, check=False)
    assert finished.returncode == 2
    assert "latents of another kind" in finished.stderr
    assert not (tmp_path / "work").exists()


def test_pictures_are_all_different_and_as_many_as_there_are() -> None:
    places = sample_specs(SUBJECTS["background"], 100_000, random.Random(1))
    assert len(places) == len(set(places)) < 100_000
    figures = sample_specs(SUBJECTS["character"], 200, random.Random(1))
    assert len(figures) == len(set(figures)) == 200
