"""Drawings are noised and painted again, with the bundled figures' denoiser."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

import deployments.diffusion.model.patch_autoencoder  # noqa: F401 (a part of the bundled models)
from models.training.networks import denoised_pictures
from models.training.networks.decoder_crops import HELD_OUT_EVERY
from models.training.networks.denoised_pictures import STEPS, denoise, denoise_again
from models.training.networks.diffusion import Trainee
from models.training.networks.latents import FILE, PatchBasis
from models.training.subjects import SUBJECTS
from models.training.training_pictures import Bucket, sample_specs, to_pixels

MODEL = Path("models/storybook-character")
FIGURES = SUBJECTS["character"]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained(MODEL, dtype=torch.float32)


@pytest.fixture(scope="module")
def bucket() -> Bucket:
    specs = sample_specs(FIGURES, HELD_OUT_EVERY + 2, random.Random(1))
    pixels = torch.stack([to_pixels(FIGURES.draw(spec, *FIGURES.native_size)) for spec in specs[:3]])
    latents = PatchBasis.load(MODEL / FILE).encode(pixels.float() / 127.5 - 1).half()
    repeated = [n % 3 for n in range(len(specs))]
    return Bucket(pixels[repeated], latents[repeated], [specs[n] for n in repeated])


def test_what_is_denoised_again_shows_the_same_picture_with_errors(
    pipeline: StableDiffusionPipeline, bucket: Bucket
) -> None:
    trainee = Trainee.of(pipeline.unet, pipeline.text_encoder)
    drawn = bucket.latents[:2].float()
    captions = [FIGURES.caption(spec, random.Random(2)) for spec in bucket.specs[:2]]
    torch.manual_seed(0)
    again = denoise(FIGURES, pipeline.tokenizer, trainee, drawn, captions, STEPS - 8)
    own = (again - drawn).abs().mean()
    other = (again - drawn.flip(0)).abs().mean()
    assert 0.01 < own < 0.5 * other


def test_pictures_that_became_others_are_left_out_and_the_rest_is_stored(
    pipeline: StableDiffusionPipeline, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denoised(*given: object) -> torch.Tensor:
        latents = given[3]
        assert isinstance(latents, torch.Tensor)
        changed = latents + 0.1
        changed[0] += 1
        return changed

    monkeypatch.setattr(denoised_pictures, "denoise", denoised)
    trainee = Trainee.of(pipeline.unet, pipeline.text_encoder)
    (again,) = denoise_again(FIGURES, pipeline.tokenizer, trainee, [bucket], tmp_path, 0, most=8)
    assert len(again.latents) == len(again.pixels) == len(again.specs) == 7
    for latents, pixels, spec in zip(again.latents, again.pixels, again.specs, strict=True):
        own = bucket.specs.index(spec)
        assert torch.equal(pixels, bucket.pixels[own])
        assert torch.allclose(latents.float(), bucket.latents[own].float() + 0.1, atol=0.01)

    monkeypatch.delattr(denoised_pictures, "denoise")
    (read,) = denoise_again(FIGURES, pipeline.tokenizer, trainee, [bucket], tmp_path, 0, most=8)
    assert torch.equal(read.latents, again.latents) and read.specs == again.specs


def test_pictures_held_out_from_the_decoder_are_not_shown(
    pipeline: StableDiffusionPipeline, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(denoised_pictures, "denoise", lambda *given: given[3])
    shown = Bucket(bucket.pixels, bucket.latents, list(range(len(bucket.specs))))
    subject = replace(FIGURES, caption=lambda spec, rng: str(spec), looks_in_a_round=lambda spec: 1)
    trainee = Trainee.of(pipeline.unet, pipeline.text_encoder)
    (again,) = denoise_again(subject, pipeline.tokenizer, trainee, [shown], tmp_path, 0, most=64)
    assert {0, HELD_OUT_EVERY}.isdisjoint(again.specs)
    assert len(set(again.specs)) > len(shown.specs) // 2


def test_a_size_whose_pictures_are_all_held_out_has_none(
    pipeline: StableDiffusionPipeline, bucket: Bucket, tmp_path: Path
) -> None:
    one = Bucket(bucket.pixels[:1], bucket.latents[:1], bucket.specs[:1])
    trainee = Trainee.of(pipeline.unet, pipeline.text_encoder)
    (again,) = denoise_again(FIGURES, pipeline.tokenizer, trainee, [one], tmp_path, 0)
    assert (len(again.pixels), len(again.latents), again.specs) == (0, 0, [])
