"""Patches of the half-size picture, cut into quarters again and again, with each size's main components."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

QUARTERS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""(down, right): 1 for the lower, the right half."""
Maps = tuple[list[torch.Tensor], list[torch.Tensor]]
SAMPLES = 20_000
MARGIN = 0.35
"""The margin by which samples may be exceeded, as a share of their range."""


@dataclass
class Level:
    """Patches of `side` pixels of the half-size picture: `values` (n, c) samples of their components.

    patch (n, 3 * side * side) = values @ `components` + `mean`. `shift` makes every value positive.
    """

    side: int
    components: torch.Tensor
    mean: torch.Tensor
    values: torch.Tensor
    shift: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        low, high = self.values.amin(0), self.values.amax(0)
        self.shift = -low + MARGIN * (high - low) + 0.1

    @property
    def count(self) -> int:
        """Return the number of components."""
        return len(self.components)

    def quarter(self, down: int, right: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the (components, mean) of one quarter of the patch."""
        half = self.side // 2
        cut = slice(down * half, down * half + half), slice(right * half, right * half + half)
        shape = (-1, 3, self.side, self.side)
        components = self.components.reshape(shape)[:, :, *cut].flatten(1)
        return components, self.mean.reshape(shape)[:, :, *cut].flatten()

    def smaller(self, most: int, generator: torch.Generator) -> tuple[Level, Maps]:
        """Return the level of the quarters, and the map (matrix, offset) from our values for each quarter."""
        parts = [self.quarter(*which) for which in QUARTERS]
        patches = torch.cat([self.values @ components + mean for components, mean in parts])
        mean = patches.mean(0)
        centred = patches - mean
        _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        # Divided, so that components are of the size of pixel values on every level.
        size = math.sqrt(len(mean)) / 2
        basis = vectors.flip(1)[:, :most].T.contiguous()
        values = centred @ basis.T / size
        chosen = torch.randperm(len(values), generator=generator)[:SAMPLES]
        level = Level(self.side // 2, basis * size, mean, values[chosen])
        matrices = [basis @ components.T / size for components, _ in parts]
        offsets = [basis @ (part - mean) / size for _, part in parts]
        return level, (matrices, offsets)
