"""Turn drawn places into pictures of no place: blurred, smeared, warped, mixed, shuffled, scattered, doubled.

A model that has not learnt whole pictures paints like this. The classifier is trained with them as a separate
class, so that they do not count as the kind of place that their colours suggest. Every function takes and
returns (n, 3, h, w) in -1..1, and takes its random numbers from torch's global generator.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn.functional import conv2d, grid_sample, interpolate, pad

BLUR_PX = (5.0, 12.0)
"""Standard deviations; a soft picture that still counts as a place has at most 2 px."""
PATCHES_PX = (8, 16, 32)
SMEAR_PX = (36, 84)
WARP_PX = (18.0, 32.0)
MIXED = (0.45, 0.55)
SCATTER_PX = (8, 18)
GHOSTS = 6
GHOST_PX = 64
GHOST_SCATTER_PX = (2.0, 6.0)
BLOCKS_PX = (10, 20)


def blur(pictures: torch.Tensor) -> torch.Tensor:
    """Blur until no shape is left but patches of colour."""
    deviation = _between(*BLUR_PX)
    reach = int(2.5 * deviation)
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    kernel /= kernel.sum()
    return _filter(_filter(pictures, kernel[None, :]), kernel[:, None])


def smear(pictures: torch.Tensor) -> torch.Tensor:
    """Smear the colours along one direction, across or down."""
    length = int(_between(*SMEAR_PX))
    kernel = torch.full((length,), 1 / length)
    return _filter(pictures, kernel[None, :] if torch.rand(()) < 0.5 else kernel[:, None])


def warp(pictures: torch.Tensor) -> torch.Tensor:
    """Bend the picture by a smooth random field until shapes run into each other."""
    n, _, height, width = pictures.shape
    field = interpolate(torch.randn(n, 2, 6, 8), size=(height, width), mode="bicubic") * _between(*WARP_PX)
    steps = field.permute(0, 2, 3, 1) * torch.tensor([2 / width, 2 / height])
    rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    return grid_sample(pictures, grid + steps, padding_mode="border", align_corners=False)


def shuffle_patches(pictures: torch.Tensor) -> torch.Tensor:
    """Put each picture's square patches into a random order."""
    n, channels, height, width = pictures.shape
    side = PATCHES_PX[int(torch.randint(len(PATCHES_PX), ()))]
    patches = pictures.unfold(2, side, side).unfold(3, side, side)
    down, across = patches.shape[2:4]
    flat = patches.reshape(n, channels, down * across, side, side)
    order = torch.rand(n, down * across).argsort(1)[:, None, :, None, None].expand_as(flat)
    shuffled = flat.gather(2, order).reshape(n, channels, down, across, side, side)
    return shuffled.permute(0, 1, 2, 4, 3, 5).reshape(n, channels, height, width)


def mix(pictures: torch.Tensor) -> torch.Tensor:
    """Lay the next picture, turned upside down, over each, so that neither prevails."""
    share = _between(*MIXED)
    return share * pictures + (1 - share) * pictures.roll(1, 0).flip(2)


def ghost(pictures: torch.Tensor) -> torch.Tensor:
    """Lay the picture over itself, moved and mirrored, like a model that cannot choose a layout."""
    copies = []
    for _ in range(GHOSTS):
        moved = pictures.roll(int(torch.randint(-GHOST_PX, GHOST_PX + 1, ())), 3)
        copies.append(moved.flip(3) if torch.rand(()) < 0.5 else moved)
    return _scattered(torch.stack(copies).mean(0), _between(*GHOST_SCATTER_PX))


def scatter(pictures: torch.Tensor) -> torch.Tensor:
    """Take each pixel from somewhere near it, which looks like confetti."""
    return _scattered(pictures, _between(*SCATTER_PX))


def _scattered(pictures: torch.Tensor, reach: float) -> torch.Tensor:
    n, _, height, width = pictures.shape
    coarse = torch.rand(n, 2, height // 3, width // 3) * 2 - 1
    field = interpolate(coarse, size=(height, width)).permute(0, 2, 3, 1) * reach
    rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    steps = field * torch.tensor([2 / width, 2 / height])
    return grid_sample(pictures, grid + steps, padding_mode="border", align_corners=False)


def coarsen(pictures: torch.Tensor) -> torch.Tensor:
    """Make a mosaic of the picture: squares of one colour each."""
    height, width = pictures.shape[2:]
    side = _between(*BLOCKS_PX)
    return interpolate(
        interpolate(pictures, size=(round(height / side), round(width / side)), mode="area"),
        size=(height, width),
    )


Way = Callable[[torch.Tensor], torch.Tensor]
TRAINED_ON: tuple[Way, ...] = (blur, smear, warp, shuffle_patches, mix, scatter, ghost)
NEVER_SHOWN: tuple[Way, ...] = (coarsen,)
"""Held out, to see whether the classifier recognises a kind of spoiled picture that it was not trained on."""


def spoil(pictures: torch.Tensor) -> torch.Tensor:
    """Spoil each picture in one of the ways that the classifier is trained on, all in equal shares."""
    ways = torch.randperm(len(TRAINED_ON))
    parts = pictures.chunk(len(TRAINED_ON))
    return torch.cat([TRAINED_ON[way](part) for way, part in zip(ways.tolist(), parts, strict=False)])


def _between(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def _filter(pictures: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Filter every channel with the same kernel, and repeat the edges."""
    height, width = kernel.shape
    left, top = (width - 1) // 2, (height - 1) // 2
    padded = pad(pictures, (left, width - 1 - left, top, height - 1 - top), mode="replicate")
    channels = pictures.shape[1]
    return conv2d(padded, kernel.expand(channels, 1, height, width), groups=channels)
