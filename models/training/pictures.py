"""Render the training pictures once: their specs, their latents, and some whole pictures for the decoder."""

from __future__ import annotations

import pickle
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from models.training.latents import CHANNELS, FILE, PATCH_PX, PatchBasis
from models.training.subjects import Subject

DECODER_PICTURES = 1_000
BASIS_PICTURES = 160


@dataclass(frozen=True)
class Bucket:
    """Pictures of one size: `latents` (n, 24, h/16, w/16) float16, and the spec that each was drawn from."""

    latents: torch.Tensor
    specs: list[Any]


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """An RGB picture as (3, h, w) in -1..1."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 127.5 - 1


def draw_decoder_pictures(subject: Subject, folder: Path, seed: int) -> list[torch.Tensor]:
    """uint8 pictures, one tensor (n, 3, h, w) per size, and the basis beside them."""
    stored = folder / "decoder_pictures.pt"
    if not stored.exists():
        rng = random.Random(seed)
        groups = []
        for width, height, share in subject.sizes:
            count = int(DECODER_PICTURES * share)
            drawn = [
                np.asarray(subject.draw(subject.sample_for_training(rng), width, height)).transpose(2, 0, 1)
                for _ in range(count)
            ]
            groups.append(torch.from_numpy(np.stack(drawn)))
        torch.save(groups, stored)
        if not (folder / FILE).exists():
            PatchBasis.fit(groups[0][:BASIS_PICTURES].float() / 127.5 - 1).save(folder / FILE)
    groups = torch.load(stored)
    return list(groups)


def draw_buckets(subject: Subject, folder: Path, pictures: int, seed: int) -> list[Bucket]:
    """Draw, project and store `pictures` pictures; later calls read them back."""
    basis = PatchBasis.load(folder / FILE)
    buckets = []
    for index, (width, height, share) in enumerate(subject.sizes):
        stored = folder / f"latents_{width}x{height}.pt"
        specs_path = folder / f"specs_{width}x{height}.pkl"
        if not stored.exists():
            rng = random.Random(seed + 1_000 * (index + 1))
            count, specs, started = int(pictures * share), [], time.monotonic()
            # One block: thousands of small tensors kept between large ones hold on to the whole heap.
            latents = torch.empty(count, CHANNELS, height // PATCH_PX, width // PATCH_PX, dtype=torch.half)
            for done in range(count):
                spec = subject.sample_for_training(rng)
                pixels = to_tensor(subject.draw(spec, width, height))
                latents[done] = basis.encode(pixels[None])[0]
                specs.append(spec)
                if done % 500 == 499:
                    print(
                        f"drawn {done + 1} {width}x{height} in {time.monotonic() - started:.0f} s", flush=True
                    )
            specs_path.write_bytes(pickle.dumps(specs))
            torch.save(latents, stored)
        # Our own file, written above and never shipped.
        buckets.append(Bucket(torch.load(stored), pickle.loads(specs_path.read_bytes())))  # noqa: S301
    return buckets
