"""Sharpening trains the decoder against a discriminator, and resumes."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path

import pytest
import torch

from deployments.diffusion.model.patch_autoencoder import PatchAutoencoder
from models.training.networks import autoencoder, decoder_crops, sharpening
from models.training.networks.autoencoder import build_autoencoder
from models.training.networks.latents import PatchBasis
from models.training.networks.sharpening import (
    Discriminator,
    balanced_gradient,
    deceiving_loss,
    judging_loss,
    sharpen_decoder,
)
from models.training.subjects import SUBJECTS
from models.training.training_pictures import Bucket, sample_specs, to_pixels

STEPS = 6
NARROW = partial(PatchAutoencoder, block_out_channels=(12, 8, 8, 8, 8, 8), blocks=1)


@pytest.fixture
def basis(bucket: Bucket) -> PatchBasis:
    return PatchBasis.fit(bucket.pixels.float() / 127.5 - 1, 8)


@pytest.fixture(scope="module")
def bucket() -> Bucket:
    subject = SUBJECTS["background"]
    specs = sample_specs(subject, 3, random.Random(1))
    pixels = torch.stack([to_pixels(subject.draw(spec, 256, 192)) for spec in specs])
    basis = PatchBasis.fit(pixels.float() / 127.5 - 1, 8)
    return Bucket(pixels, basis.encode(pixels.float() / 127.5 - 1).half(), specs)


def judged(verdict: float) -> sharpening.Judged:
    return [torch.full((1, 1, 2, 2), verdict)], [torch.zeros(1, 4, 2, 2)]


def test_a_right_verdict_costs_the_judge_less_and_the_decoder_more() -> None:
    right, wrong = (judged(-1.0), judged(1.0)), (judged(1.0), judged(-1.0))
    assert judging_loss(*right).item() == 0 < judging_loss(*wrong).item()
    assert deceiving_loss(*right) > deceiving_loss(*wrong)


def test_the_judge_learns_to_separate_blurred_from_drawn(bucket: Bucket) -> None:
    torch.manual_seed(0)
    drawn = bucket.pixels[..., :96, :96].float() / 127.5 - 1
    blurred = torch.nn.functional.avg_pool2d(drawn, 9, stride=1, padding=4)
    judge = Discriminator()
    adam = torch.optim.Adam(judge.parameters(), 2e-3)
    for _ in range(30):
        adam.zero_grad()
        judging_loss(judge(blurred), judge(drawn)).backward()
        adam.step()
    for of_blurred, of_drawn in zip(judge(blurred)[0], judge(drawn)[0], strict=True):
        assert of_drawn.mean() > of_blurred.mean()


def test_the_judges_gradient_is_a_share_of_the_reconstructions() -> None:
    pixels = torch.zeros(4, requires_grad=True)
    near, sharp = torch.tensor([3.0, 0, 0, 0]), torch.tensor([0, 7.0, 0, 0])
    gradient = balanced_gradient(pixels, (pixels * near).sum(), (pixels * sharp).sum(), 0.5)
    assert torch.allclose(gradient, torch.tensor([3.0, 1.5, 0, 0]))


def test_it_changes_the_details_alone_and_resumes(
    bucket: Bucket,
    basis: PatchBasis,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder_crops, "BATCH", 2)
    monkeypatch.setattr(decoder_crops, "CROP", (2, 2))
    monkeypatch.setattr(autoencoder, "WARM_UP_STEPS", 2)
    monkeypatch.setattr(autoencoder, "PatchAutoencoder", NARROW)
    monkeypatch.setattr(sharpening, "FIRST_STEPS", 2)
    torch.manual_seed(0)
    vae = build_autoencoder(basis)
    untrained = {name: value.clone() for name, value in vae.state_dict().items()}
    cut = partial(decoder_crops.cut_crops, [bucket], SUBJECTS["background"].looks_in_a_round)
    sharpen_decoder(vae, cut, bucket, basis, tmp_path / "sharpening.pt", STEPS, seed=0)
    assert f"sharpening {STEPS}/{STEPS}" in capsys.readouterr().out
    trained = vae.state_dict()
    changed = {name for name, value in trained.items() if not torch.equal(value, untrained[name])}
    assert changed and all(name.startswith("details.") for name in changed)

    again = build_autoencoder(basis)
    sharpen_decoder(again, cut, bucket, basis, tmp_path / "sharpening.pt", STEPS, seed=0)
    assert all(torch.equal(trained[name], value) for name, value in again.state_dict().items())
