"""A stock AutoencoderTiny starts as the latents' own linear map, both ways, and keeps what holds it up."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderTiny
from torch.nn.functional import interpolate

from models.training.networks import autoencoder
from models.training.networks.autoencoder import build_autoencoder, train_decoder
from models.training.networks.latents import PatchBasis
from models.training.networks.linear_encoder import set_linear_encoder
from models.training.networks.linear_start import linear_start
from models.training.subjects import SUBJECTS
from models.training.training_pictures import Bucket, sample_specs, to_pixels


@pytest.fixture(scope="module")
def bucket() -> Bucket:
    subject = SUBJECTS["background"]
    specs = sample_specs(subject, 6, random.Random(1))
    pixels = torch.stack([to_pixels(subject.draw(spec, 352, 224)) for spec in specs])
    return Bucket(pixels, torch.empty(0), specs)


@pytest.fixture(scope="module")
def basis(bucket: Bucket) -> PatchBasis:
    return PatchBasis.fit(bucket.pixels.float() / 127.5 - 1, 32)


@pytest.fixture(scope="module")
def started(bucket: Bucket, basis: PatchBasis) -> tuple[AutoencoderTiny, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    vae = build_autoencoder(basis.channels)
    return vae, linear_start(vae, basis, basis.encode(bucket.pixels.float() / 127.5 - 1))


@pytest.mark.parametrize("size", [(224, 352), (192, 64)])
def test_the_decoder_starts_at_the_linear_inverse(
    bucket: Bucket,
    basis: PatchBasis,
    started: tuple[AutoencoderTiny, dict[str, torch.Tensor]],
    size: tuple[int, int],
) -> None:
    height, width = size
    pixels = bucket.pixels[:2, :, :height, :width].float() / 127.5 - 1
    latents = basis.encode(pixels)
    linear = interpolate(basis.decode(latents), scale_factor=2, mode="bilinear")
    vae = started[0]
    with torch.no_grad():
        decoded = vae.decode(latents / vae.config.scaling_factor).sample
    assert decoded.shape == pixels.shape
    inner = (slice(None), slice(None), slice(2, -2), slice(2, -2))  # a border is smoothed with nothing
    assert (decoded - linear)[inner].abs().mean() < 0.01
    assert (decoded - pixels).abs().mean() < 1.3 * (linear - pixels).abs().mean() + 0.005


def test_a_pattern_that_repeats_in_every_patch_is_painted(
    basis: PatchBasis, started: tuple[AutoencoderTiny, dict[str, torch.Tensor]]
) -> None:
    vae = started[0]
    latents = torch.zeros(1, basis.channels, 4, 4)
    latents[:, 3] = 0.5
    linear = interpolate(basis.decode(latents), scale_factor=2, mode="bilinear")
    with torch.no_grad():
        decoded = vae.decode(latents / vae.config.scaling_factor).sample
    assert linear.std() > 0.02
    assert (decoded - linear)[:, :, 2:-2, 2:-2].abs().mean() < 0.2 * linear.std()


def test_the_encoder_is_the_linear_map(bucket: Bucket, basis: PatchBasis) -> None:
    pixels = bucket.pixels[:3].float() / 127.5 - 1
    latents = basis.encode(pixels)
    vae = build_autoencoder(basis.channels)
    set_linear_encoder(vae, basis, latents)
    with torch.no_grad():
        encoded = vae.encode(pixels).latents * vae.config.scaling_factor
    assert encoded.shape == latents.shape
    assert (encoded - latents).abs().max() < 0.02 * latents.abs().max()


def test_training_moves_the_rest_and_leaves_the_start(
    bucket: Bucket,
    basis: PatchBasis,
    started: tuple[AutoencoderTiny, dict[str, torch.Tensor]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(autoencoder, "BATCH", 1)
    start, masks = started
    latents = basis.encode(bucket.pixels.float() / 127.5 - 1)
    buckets = [Bucket(bucket.pixels, latents, bucket.specs)]
    vae = copy.deepcopy(start)
    train_decoder(vae, buckets, basis, tmp_path, 2, seed=0, trained=True)
    before, after = start.decoder.state_dict(), vae.decoder.state_dict()
    assert all(
        torch.allclose(before[name][mask], after[name][mask], atol=1e-5) for name, mask in masks.items()
    )
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert "decoder 2/2" in capsys.readouterr().out

    again = copy.deepcopy(start)
    train_decoder(again, buckets, basis, tmp_path, 2, seed=0, trained=True)  # from its checkpoint
    assert all(torch.equal(after[name], value) for name, value in again.decoder.state_dict().items())
