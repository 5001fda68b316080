"""The linear latents: orthonormal, and close to lossless on rendered pictures."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from models.training.figures import draw_figure, sample_figure
from models.training.latents import CHANNELS, PATCH_PX, PatchBasis
from models.training.pictures import to_tensor


def figures(seed: int, count: int) -> torch.Tensor:
    rng = random.Random(seed)
    return torch.stack([to_tensor(draw_figure(sample_figure(rng))) for _ in range(count)])


@pytest.fixture(scope="module")
def basis() -> PatchBasis:
    return PatchBasis.fit(figures(1, 20), random_crops=1)


def test_the_components_are_orthonormal(basis: PatchBasis) -> None:
    product = basis.components @ basis.components.T
    assert torch.allclose(product, torch.eye(CHANNELS), atol=1e-4)


def test_fresh_pictures_survive_the_round_trip(basis: PatchBasis) -> None:
    pictures = figures(2, 4)
    back = basis.decode(basis.encode(pictures))
    assert back.shape == pictures.shape
    assert (back - pictures).pow(2).mean() < 0.05 * pictures.var()


def test_latents_are_small_and_of_about_unit_scale(basis: PatchBasis) -> None:
    latents = basis.encode(figures(3, 4))
    assert latents.shape == (4, CHANNELS, 512 // PATCH_PX, 384 // PATCH_PX)
    assert 0.5 < latents.std() < 2


def test_what_the_latents_hold_is_kept_exactly(basis: PatchBasis) -> None:
    latents = basis.encode(figures(4, 1))
    assert torch.allclose(basis.encode(basis.decode(latents)), latents, atol=1e-3)


def test_a_basis_can_be_stored(basis: PatchBasis, tmp_path: Path) -> None:
    basis.save(tmp_path / "basis.safetensors")
    again = PatchBasis.load(tmp_path / "basis.safetensors")
    assert torch.equal(again.components, basis.components)
    assert torch.equal(again.gain, basis.gain)
