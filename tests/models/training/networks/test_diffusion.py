"""Learn what the words add in part, so that guidance acts as a share of its scale."""

from __future__ import annotations

import random

import pytest
import torch

from models.training.networks.diffusion import caption_batch, share_guidance
from models.training.subjects import SUBJECTS


def guided(without: torch.Tensor, with_words: torch.Tensor, scale: float) -> torch.Tensor:
    return without + scale * (with_words - without)


def test_guidance_acts_as_a_share_of_its_scale() -> None:
    without, target = torch.randn(2, 1, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    shared = share_guidance(target, without, torch.tensor([True]), 0.4)
    assert torch.allclose(guided(without, shared, 7.5), guided(without, target, 3.0), atol=1e-5)


def test_pictures_without_a_description_keep_their_target() -> None:
    target, without = torch.ones(2, 4, 3, 3), torch.zeros(2, 4, 3, 3)
    described, bare = share_guidance(target, without, torch.tensor([True, False]), 0.4)
    assert described.unique().tolist() == [pytest.approx(0.4)]
    assert bare.unique().tolist() == [1.0]


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_a_caption_describes_its_picture_or_is_only_a_negative_prompt(name: str) -> None:
    subject, rng = SUBJECTS[name], random.Random(3)
    specs = [subject.sample_for_training(rng) for _ in range(200)]
    captions, described = caption_batch(subject, specs, rng)
    negative = set(subject.negative_prompt.split(", "))
    for caption, about in zip(captions, described, strict=True):
        assert about != (set(caption.split(", ")) <= negative | {""}), caption
    assert 5 <= described.count(False) <= 40
