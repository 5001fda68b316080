"""Cut the crops that the decoder learns from: latents, and their pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from deployments.diffusion.model.patch_autoencoder import FACTOR_PX
from models.training.training_pictures import Bucket

CROP = (6, 8)
"""A crop's size in latents, down and across. Crops lie on the patch grid, as every decoded picture does."""
BATCH = 16
LATENT_NOISE = 0.3
"""The most noise added to the decoder's latents: it must clean up what the denoiser leaves."""
HELD_OUT_EVERY = 24

Crops = Iterator[tuple[torch.Tensor, torch.Tensor]]
"""Latents (n, c, h, w) and their pixels (n, 3, 32 h, 32 w) in -1..1, batch by batch."""
Cut = Callable[[torch.Generator], Crops]


def cut_crops(
    buckets: list[Bucket],
    looks: Callable[[Any], int],
    generator: torch.Generator,
    count: int | None = None,
    most_noise: float | None = None,
    hold_out: bool = True,
) -> Crops:
    """Yield latents (count, c, 6, 8) and their pixels (count, 3, 192, 256) in -1..1, endlessly.

    A picture is chosen as often as its spec has `looks`. With `hold_out`, one picture in HELD_OUT_EVERY never
    is. Each crop's latents get up to `most_noise`. By default, `count` is BATCH and `most_noise` is
    LATENT_NOISE.
    """
    count = BATCH if count is None else count
    most_noise = LATENT_NOISE if most_noise is None else most_noise
    shares = [torch.tensor([float(looks(spec)) for spec in bucket.specs]) for bucket in buckets]
    if hold_out:
        for share in shares:
            share[::HELD_OUT_EVERY] = 0
    sums = torch.stack([share.sum() for share in shares])
    down, across = CROP
    while True:
        cut = []
        for _ in range(count):
            which = int(torch.multinomial(sums, 1, generator=generator))
            bucket, n = buckets[which], int(torch.multinomial(shares[which], 1, generator=generator))
            _, height, width = bucket.latents[n].shape
            y = int(torch.randint(0, height - down + 1, (), generator=generator))
            x = int(torch.randint(0, width - across + 1, (), generator=generator))
            top, left, high, wide = (FACTOR_PX * latents for latents in (y, x, down, across))
            pixels = bucket.pixels[n, :, top : top + high, left : left + wide]
            cut.append((bucket.latents[n, :, y : y + down, x : x + across], pixels))
        latents, pixels = (torch.stack(parts).float() for parts in zip(*cut, strict=True))
        noise = most_noise * torch.rand(count, 1, 1, 1, generator=generator)
        yield latents + noise * torch.randn(latents.shape, generator=generator), pixels / 127.5 - 1


def cut_mixed_crops(
    buckets: list[Bucket], denoised: list[Bucket], looks: Callable[[Any], int], generator: torch.Generator
) -> Crops:
    """Yield crops as `cut_crops` does, half of them `denoised`, which have errors enough without noise.

    All are of drawings' own latents if nothing is denoised. None of `denoised` is held out.
    """
    if not any(bucket.specs for bucket in denoised):
        yield from cut_crops(buckets, looks, generator)
    half = BATCH // 2
    own = cut_crops(buckets, looks, generator, BATCH - half)
    for parts in zip(
        own, cut_crops(denoised, looks, generator, half, most_noise=0.0, hold_out=False), strict=True
    ):
        latents, pixels = zip(*parts, strict=True)
        yield torch.cat(latents), torch.cat(pixels)
