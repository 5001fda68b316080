"""The bundled models' VAE: linear both ways until trained, and usable in a stock pipeline."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline, StableDiffusionPipeline

from deployments.diffusion.model.loader import load
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.patch_autoencoder import FACTOR_PX, PatchAutoencoder
from deployments.errors import ModelUnusable


@pytest.fixture
def vae() -> PatchAutoencoder:
    torch.manual_seed(0)
    made = PatchAutoencoder(latent_channels=4, block_out_channels=(12, 4, 4, 8, 8, 8), blocks=1)
    with torch.no_grad():
        rows = torch.linalg.qr(torch.randn(768, 4)).Q.T
        made.components.copy_(rows)
        made.mean.fill_(0.25)
        made.gain.copy_(torch.tensor([0.5, 1.0, 2.0, 3.0]))
    return made


def test_latents_come_back_from_what_they_are_decoded_to(vae: PatchAutoencoder) -> None:
    latents = torch.randn(2, 4, 3, 5)
    painted = vae.decode(latents).sample
    assert painted.shape == (2, 3, 3 * FACTOR_PX, 5 * FACTOR_PX)
    flat = vae.decode(torch.zeros(1, 4, 2, 2), return_dict=False)[0]
    assert torch.allclose(flat, torch.full_like(flat, 0.25), atol=1e-5)
    assert torch.allclose(vae.encode(flat).latents, torch.zeros(1, 4, 2, 2), atol=1e-4)


def test_each_picture_of_a_batch_is_what_it_is_alone(vae: PatchAutoencoder) -> None:
    for parameter in vae.details.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    latents = torch.randn(3, 4, 2, 4)
    together = vae.decode(latents).sample
    assert together.std() > 0.1
    for n in range(3):
        assert torch.allclose(vae.decode(latents[n : n + 1]).sample[0], together[n], atol=1e-4)


def test_what_it_adds_may_differ_within_a_patch(vae: PatchAutoencoder) -> None:
    for parameter in vae.details.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    latents = torch.randn(1, 4, 1, 1).expand(1, 4, 4, 4)  # All patches have the same latents.
    inner = vae.decode(latents).sample[0, :, 2 * FACTOR_PX : 3 * FACTOR_PX, FACTOR_PX : 2 * FACTOR_PX]
    assert inner.std(dim=(1, 2)).min() > 0.01


@pytest.fixture
def saved(vae: PatchAutoencoder, tiny_sd1: Path, tmp_path: Path) -> Path:
    """Return a model with this VAE, as diffusers writes it."""
    StableDiffusionPipeline.from_pretrained(tiny_sd1, vae=vae).save_pretrained(tmp_path / "dragons")
    return tmp_path / "dragons"


def test_a_stock_pipeline_and_our_own_loading_paint_the_same(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = json.loads((saved / "model_index.json").read_text())
    assert index["vae"] == ["deployments.diffusion.model.patch_autoencoder", "PatchAutoencoder"]
    ours = load(ModelConfig(source=str(saved), device="cpu"))
    assert not caplog.records
    pictures = []
    for pipeline in (DiffusionPipeline.from_pretrained(saved), ours):
        pipeline.set_progress_bar_config(disable=True)
        assert pipeline.vae_scale_factor == FACTOR_PX
        seed = torch.manual_seed(1)
        painted = pipeline(
            "a castle", width=256, height=256, num_inference_steps=2, generator=seed, output_type="np"
        )
        pictures.append(torch.from_numpy(painted.images))
    assert pictures[0].shape == (1, 256, 256, 3)
    assert torch.allclose(*pictures, atol=1e-5)


@pytest.mark.parametrize("library", ["deployments.generator", "deployments.diffusion.model", "os"])
def test_no_other_module_is_imported_at_a_model_s_word(library: str, saved: Path) -> None:
    index = json.loads((saved / "model_index.json").read_text())
    (saved / "model_index.json").write_text(json.dumps(index | {"vae": [library, "PatchAutoencoder"]}))
    with pytest.raises(ModelUnusable, match="a model's own code is never run"):
        load(ModelConfig(source=str(saved), device="cpu"))
