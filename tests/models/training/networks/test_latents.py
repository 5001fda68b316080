"""The linear latents: orthonormal, and close to lossless on rendered pictures."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from deployments.diffusion.model.patch_autoencoder import FACTOR_PX
from models.training.figures.draw_figure import draw_figure, sample_figure
from models.training.networks.latents import PatchBasis
from models.training.training_pictures import to_tensor

CHANNELS = 48


def figures(seed: int, count: int) -> torch.Tensor:
    rng = random.Random(seed)
    return torch.stack([to_tensor(draw_figure(sample_figure(rng))) for _ in range(count)])


@pytest.fixture(scope="module")
def basis() -> PatchBasis:
    return PatchBasis.fit(figures(1, 20), CHANNELS, random_crops=1)


def test_the_components_are_orthonormal(basis: PatchBasis) -> None:
    product = basis.components @ basis.components.T
    assert torch.allclose(product, torch.eye(CHANNELS), atol=1e-4)


def test_fresh_pictures_survive_the_round_trip_at_half_size(basis: PatchBasis) -> None:
    pictures = figures(2, 4)
    halves = avg_pool2d(pictures, 2)
    back = basis.decode(basis.encode(pictures))
    assert back.shape == halves.shape
    assert (back - halves).pow(2).mean() < 0.1 * halves.var()


def test_latents_are_small_and_of_about_unit_scale(basis: PatchBasis) -> None:
    latents = basis.encode(figures(3, 4))
    assert latents.shape == (4, CHANNELS, 512 // FACTOR_PX, 384 // FACTOR_PX)
    assert 0.5 < latents.std() < 2


def test_what_the_latents_hold_is_kept_exactly(basis: PatchBasis) -> None:
    latents = basis.encode(figures(4, 1))
    doubled = interpolate(basis.decode(latents), scale_factor=2, mode="nearest")
    assert torch.allclose(basis.encode(doubled), latents, atol=1e-3)


def test_a_basis_can_be_stored(basis: PatchBasis, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.safetensors")
    again = PatchBasis.load(tmp_path / "basis.safetensors")
    assert torch.equal(again.components, basis.components)
    assert torch.equal(again.gain, basis.gain)
