"""Measure how far apart two sets of pictures are, at each level of detail.

The sliced Wasserstein distance between patches of Laplacian pyramids, after Karras et al. 2018, "Progressive
Growing of GANs", section 5: 128 patches of 7 by 7 pixels from every picture and level, each set normalised
by channel, 512 random directions, and a thousand times the mean distance. The full-size level compares fine
detail, the smallest level large shapes.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Floats = NDArray[np.float32]
Patches = dict[str, Floats]
"""The patches of a set of pictures by level, which is named by its size; (n, 49, 3)."""

PATCH_PX = 7
PATCHES = 128
DIRECTIONS = 512
LEAST_PX = 16
"""No level has a shorter side than this."""
_AT_ONCE = 64


def laplacian_pyramid(pixels: Floats) -> list[Floats]:
    """Return what each halving of (h, w, 3) loses, finest first, and then what is left."""
    levels = []
    while min(pixels.shape[:2]) >= 2 * LEAST_PX:
        smaller = np.asarray(cv2.pyrDown(pixels), dtype=np.float32)
        height, width = pixels.shape[:2]
        larger = np.asarray(cv2.pyrUp(smaller, dstsize=(width, height)), dtype=np.float32)
        levels.append(pixels - larger)
        pixels = smaller
    return [*levels, pixels]


def take_patches(pictures: Iterable[Image.Image], seed: int = 0) -> Patches:
    """Take patches at random from every level of every picture; all pictures have one size."""
    rng = np.random.default_rng(seed)
    taken: dict[str, list[Floats]] = {}
    for picture in pictures:
        for level in laplacian_pyramid(np.asarray(picture.convert("RGB"), dtype=np.float32)):
            height, width = level.shape[:2]
            windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH_PX, PATCH_PX), axis=(0, 1))
            rows = rng.integers(0, height - PATCH_PX + 1, PATCHES)
            columns = rng.integers(0, width - PATCH_PX + 1, PATCHES)
            patches = windows[rows, columns].transpose(0, 2, 3, 1).reshape(PATCHES, -1, 3)
            taken.setdefault(f"{width}x{height}", []).append(patches)
    return {name: np.concatenate(parts) for name, parts in taken.items()}


def distances(one: Patches, other: Patches, seed: int = 0) -> dict[str, float]:
    """Return the distance at every level, times 1,000. Raises ValueError for sets of different sizes."""
    if one.keys() != other.keys() or any(len(one[name]) != len(other[name]) for name in one):
        raise ValueError("both sets must have the same number of pictures, all of the same size")
    return {name: 1_000 * _distance(one[name], other[name], seed) for name in one}


def _distance(one: Floats, other: Floats, seed: int) -> float:
    first, second = _normalised(one), _normalised(other)
    rng = np.random.default_rng(seed)
    directions = rng.standard_normal((first.shape[1], DIRECTIONS)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    means = []
    for start in range(0, DIRECTIONS, _AT_ONCE):
        part = directions[:, start : start + _AT_ONCE]
        apart = np.abs(np.sort(first @ part, axis=0) - np.sort(second @ part, axis=0))
        means.append(float(apart.mean()))
    return sum(means) / len(means)


def _normalised(patches: Floats) -> Floats:
    """Scale every channel of the set to mean 0 and deviation 1, and flatten each patch."""
    spread = patches.std(axis=(0, 1)) + 1e-6
    flat: Floats = ((patches - patches.mean(axis=(0, 1))) / spread).reshape(len(patches), -1)
    return flat
