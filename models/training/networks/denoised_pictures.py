"""Make latents with the denoiser's own errors, of pictures that are known, for the decoder to learn from.

A drawing's latents are noised partly, and denoised again with guidance (Meng et al. 2022, "SDEdit"). They
show the same picture, with fills as murky and a backdrop as tinted as the denoiser leaves them.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPTokenizer

from models.training.networks.decoder_crops import HELD_OUT_EVERY
from models.training.networks.diffusion import Trainee, build_sampler
from models.training.networks.mixed_precision import mixed_precision
from models.training.subjects import Subject
from models.training.training_pictures import Bucket

PICTURES = 1_920
AT_ONCE = 16
STEPS = 20
"""All steps from noise to a picture; `Subject.denoised_from` skips the first ones."""
MOST_ERROR = 0.25
"""The mean error of latents above which a picture shows something else, as another colour of hair."""


@torch.no_grad()
def denoise(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    trainee: Trainee,
    latents: torch.Tensor,
    captions: list[str],
    first: int,
    device: str = "cpu",
) -> torch.Tensor:
    """Noise latents (n, c, h, w) as they are before step `first` of STEPS, and take the other steps."""
    written = [subject.negative_prompt] * len(captions) + captions
    tokens = tokenizer(written, padding="max_length", truncation=True, return_tensors="pt").input_ids
    sampler: Any = build_sampler()
    sampler.set_timesteps(STEPS)
    sampler.set_begin_index(first)
    timesteps = sampler.timesteps[first:]
    noisy = sampler.add_noise(latents, torch.randn_like(latents), timesteps[:1].repeat(len(latents)))
    noisy = noisy.to(device)
    with mixed_precision(device):
        words = trainee.text(tokens.to(device)).last_hidden_state
        for timestep in timesteps:
            both = trainee.average(torch.cat([noisy, noisy]), timestep.to(device), words).sample.float()
            without, described = both.chunk(2)
            guided = without + subject.guidance_scale * (described - without)
            noisy = sampler.step(guided, timestep, noisy).prev_sample
    denoised: torch.Tensor = noisy.cpu()
    return denoised


def denoise_again(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    trainee: Trainee,
    buckets: list[Bucket],
    folder: Path,
    seed: int,
    device: str = "cpu",
    most: int = PICTURES,
) -> list[Bucket]:
    """Denoise about `most` drawings, or as many as there are, and store them; later calls read them back.

    Leaves out what the decoder is not trained on, and pictures that became other ones.
    """
    stored = folder / "denoised.pt"
    if not stored.exists():
        rng = random.Random(seed)
        torch.manual_seed(seed)
        total = sum(len(bucket.specs) for bucket in buckets)
        shares = [min(most, total) * len(bucket.specs) // total for bucket in buckets]
        for network in (trainee.average, trainee.text):
            network.to(device)
        parts = [
            _denoise_bucket(subject, tokenizer, trainee, bucket, max(1, share), rng, device)
            for bucket, share in zip(buckets, shares, strict=True)
        ]
        for network in (trainee.average, trainee.text):
            network.to("cpu")
        torch.save(parts, stored)
    return [
        Bucket(bucket.pixels[chosen], latents, [bucket.specs[n] for n in chosen])
        for bucket, (chosen, latents) in zip(buckets, torch.load(stored), strict=True)
    ]


def _denoise_bucket(
    subject: Subject,
    tokenizer: CLIPTokenizer,
    trainee: Trainee,
    bucket: Bucket,
    count: int,
    rng: random.Random,
    device: str,
) -> tuple[list[int], torch.Tensor]:
    """Return which pictures were denoised, and their latents (n, c, h, w) in half precision."""
    learnt = [n for n in range(len(bucket.specs)) if n % HELD_OUT_EVERY]
    shown = [n for n in learnt for _ in range(subject.looks_in_a_round(bucket.specs[n]))]
    if not shown:
        return [], bucket.latents[:0]
    chosen, parts, started = [], [], time.monotonic()
    for first in range(0, count, AT_ONCE):
        tried = [rng.choice(shown) for _ in range(min(AT_ONCE, count - first))]
        drawn = bucket.latents[tried].float()
        captions = [subject.caption(bucket.specs[n], rng) for n in tried]
        latents = denoise(
            subject, tokenizer, trainee, drawn, captions, rng.choice(subject.denoised_from), device
        )
        same = (latents - drawn).abs().mean(dim=(1, 2, 3)) <= MOST_ERROR
        chosen += [n for n, alike in zip(tried, same.tolist(), strict=True) if alike]
        parts.append(latents[same].half())
        done, taken = first + len(tried), time.monotonic() - started
        if len(parts) % 10 == 0 or done == count:
            print(f"denoised {done}/{count}, {len(chosen)} alike, {taken:.0f} s", flush=True)
    return chosen, torch.cat(parts)
