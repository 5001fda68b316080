"""The decoder starts as the linear inverse of the latents, improves by training, and resumes."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
import torch
from torch.nn.functional import interpolate

from deployments.diffusion.model.patch_autoencoder import PatchAutoencoder
from models.training.networks import autoencoder, decoder_crops
from models.training.networks.autoencoder import build_autoencoder, decoder_error, train_decoder
from models.training.networks.latents import PatchBasis
from models.training.subjects import SUBJECTS
from models.training.training_pictures import Bucket, sample_specs, to_pixels

STEPS = 40
NARROW = partial(PatchAutoencoder, block_out_channels=(12, 8, 8, 8, 8, 8), blocks=1)
"""A small version: STEPS steps of the shipped one take a minute."""


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    subject = SUBJECTS["background"]
    specs = sample_specs(subject, 3, random.Random(1))
    return torch.stack([to_pixels(subject.draw(spec, 256, 192)) for spec in specs])


@pytest.fixture(scope="module")
def basis(pixels: torch.Tensor) -> PatchBasis:
    return PatchBasis.fit(pixels.float() / 127.5 - 1, 8)


@pytest.fixture
def bucket(pixels: torch.Tensor, basis: PatchBasis) -> Bucket:
    return Bucket(pixels, basis.encode(pixels.float() / 127.5 - 1).half(), [None] * len(pixels))


def often(spec: object) -> int:
    return 1


def test_an_untrained_decoder_is_the_linear_inverse(bucket: Bucket, basis: PatchBasis) -> None:
    vae = build_autoencoder(basis)
    latents = bucket.latents.float()
    linear = interpolate(basis.decode(latents), scale_factor=2, mode="bilinear")
    assert torch.allclose(vae.decode(latents).sample, linear, atol=1e-4)
    ours, inverse = decoder_error(vae, bucket, basis)
    assert ours == pytest.approx(inverse, rel=1e-3)


def test_training_brings_it_nearer_to_the_pictures_and_resumes(
    bucket: Bucket,
    basis: PatchBasis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"BATCH": 4, "CROP": (2, 2), "LATENT_NOISE": 0.0}.items():
        monkeypatch.setattr(decoder_crops, name, value)
    monkeypatch.setattr(autoencoder, "WARM_UP_STEPS", 5)
    monkeypatch.setattr(autoencoder, "PatchAutoencoder", NARROW)
    torch.manual_seed(0)
    vae = build_autoencoder(basis)
    learnt = Bucket(bucket.pixels[1:], bucket.latents[1:], bucket.specs[1:])
    before, _ = decoder_error(vae, learnt, basis)
    cut, checkpoint = partial(decoder_crops.cut_crops, [bucket], often), tmp_path / "decoder.pt"
    train_decoder(vae, cut, bucket, basis, checkpoint, STEPS, seed=0)
    after, _ = decoder_error(vae, learnt, basis)
    assert after < before
    assert f"decoder {STEPS}/{STEPS}" in capsys.readouterr().out
    assert torch.equal(vae.mean, basis.mean)

    again = build_autoencoder(basis)
    train_decoder(again, cut, bucket, basis, checkpoint, STEPS, seed=0)  # From its checkpoint.
    trained = vae.state_dict()
    assert all(torch.equal(trained[name], value) for name, value in again.state_dict().items())
