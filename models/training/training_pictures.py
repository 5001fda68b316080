"""Draw the training pictures once: whole pictures for the decoder, and their latents for the denoiser."""

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

from deployments.diffusion.model.patch_autoencoder import FACTOR_PX
from models.training.networks.latents import FILE, PatchBasis
from models.training.subjects import Subject

BASIS_PICTURES = 400
REPEATS_BEFORE_ENOUGH = 20
"""Sampling stops after this many draws in a row without a new picture, for each picture kept."""
_MOVED = {
    "models.training.figure_spec": "models.training.figures.figure_spec",
    "models.training.place_spec": "models.training.places.place_spec",
}


@dataclass(frozen=True)
class Bucket:
    """Different pictures of one size.

    `pixels` (n, 3, h, w) uint8, `latents` (n, c, h/32, w/32) float16, and the spec that each was drawn from.
    """

    pixels: torch.Tensor
    latents: torch.Tensor
    specs: list[Any]


class _Specs(pickle.Unpickler):  # Our own file, written below and never shipped.
    """Read specs back, including those that were stored before their modules moved into folders."""

    def find_class(self, module: str, name: str) -> Any:
        return super().find_class(_MOVED.get(module, module), name)


def to_pixels(picture: Image.Image) -> torch.Tensor:
    """Return an RGB picture as (3, h, w) uint8."""
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1)


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """Return an RGB picture as (3, h, w) in -1..1."""
    return to_pixels(picture).float() / 127.5 - 1


def sample_specs(subject: Subject, count: int, rng: random.Random) -> list[Any]:
    """Return up to `count` different specs: a subject may have fewer."""
    specs: dict[Any, None] = {}
    misses = 0
    while len(specs) < count and misses < REPEATS_BEFORE_ENOUGH * (100 + len(specs)):
        spec = subject.sample_for_training(rng)
        misses = misses + 1 if spec in specs else 0
        specs[spec] = None
    return list(specs)


def draw_buckets(subject: Subject, folder: Path, pictures: int, seed: int) -> list[Bucket]:
    """Draw, project and store up to `pictures` pictures of all sizes; later calls read them back.

    Fits the latent basis on the first size, unless the folder has one.
    """
    return [
        _draw_bucket(subject, folder, (width, height), round(pictures * share), seed + 1_000 * index)
        for index, (width, height, share) in enumerate(subject.sizes)
    ]


def _draw_bucket(subject: Subject, folder: Path, size: tuple[int, int], count: int, seed: int) -> Bucket:
    width, height = size
    name = f"{width}x{height}"
    stored, specs_path = folder / f"pictures_{name}.pt", folder / f"specs_{name}.pkl"
    if not stored.exists():
        specs = sample_specs(subject, count, random.Random(seed))
        # One block: thousands of small tensors kept between large ones would pin the whole heap.
        pixels = torch.empty(len(specs), 3, height, width, dtype=torch.uint8)
        started = time.monotonic()
        for done, spec in enumerate(specs):
            pixels[done] = to_pixels(subject.draw(spec, width, height))
            if done % 500 == 499:
                print(f"drawn {done + 1} {name} in {time.monotonic() - started:.0f} s", flush=True)
        if not (folder / FILE).exists():
            sample = pixels[:BASIS_PICTURES].float() / 127.5 - 1
            PatchBasis.fit(sample, subject.latent_channels).save(folder / FILE)
        basis = PatchBasis.load(folder / FILE)
        latents = torch.empty(len(specs), basis.channels, height // FACTOR_PX, width // FACTOR_PX).half()
        for first in range(0, len(specs), 32):
            part = slice(first, first + 32)
            latents[part] = basis.encode(pixels[part].float() / 127.5 - 1).half()
        specs_path.write_bytes(pickle.dumps(specs))
        torch.save({"pixels": pixels, "latents": latents}, stored)
    tensors = torch.load(stored, mmap=True)
    with specs_path.open("rb") as stored_specs:
        specs = _Specs(stored_specs).load()
    return Bucket(tensors["pixels"], tensors["latents"], specs)
