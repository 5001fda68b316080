"""Learn part of what the words add, so guidance acts at part of its scale; show some places more often."""

from __future__ import annotations

import random

import pytest
import torch

from models.training.networks.diffusion import BATCH, batches, caption_batch, share_guidance
from models.training.subjects import SUBJECTS
from models.training.training_pictures import Bucket


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


@pytest.mark.parametrize("name", sorted(SUBJECTS))
def test_a_round_shows_every_picture_and_those_that_are_slow_to_learn_oftener(name: str) -> None:
    subject, rng = SUBJECTS[name], random.Random(0)
    specs = [subject.sample_for_training(rng) for _ in range(BATCH)]
    slow = [spec for spec in specs if subject.looks_in_a_round(spec) > 1]
    assert slow
    assert len(slow) < len(specs)
    bucket = Bucket(torch.empty(0), torch.arange(BATCH).half(), specs)
    shown: list[int] = []
    for latents, described in batches([bucket], subject.looks_in_a_round, rng):
        assert [specs[int(n)] for n in latents] == described
        shown += [int(n) for n in latents]
        if len(shown) >= 12 * BATCH:
            break
    once = [shown.count(n) for n, spec in enumerate(specs) if spec not in slow]
    often = [shown.count(n) for n, spec in enumerate(specs) if spec in slow]
    assert min(once) >= 1
    assert sum(often) / len(often) > 1.5 * sum(once) / len(once)
