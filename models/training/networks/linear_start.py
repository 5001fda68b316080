"""Set an AutoencoderTiny's decoder to the linear inverse of the latents, to be trained from there.

The decoder doubles a picture by repeating pixels, and a convolution then cannot separate the left half of a
repeated pixel from the right one: it would have to learn each patch from its neighbours. So four channels
carry a code. On the smallest level the blocks count the columns and rows from the border, where the padding
is zero, as even and odd; on every larger level a pixel whose left neighbour has the same code is a right
half. With that, each level turns a patch's components into those of its four quarters, down to pixels: one
quarter for all of them, plus the differences of the other three, let through by ReLUs where the code says.

These rows of the kernels stay as they are ("kept"). All other rows start at random, and the last convolution
of each block at zero, so that training begins at the linear inverse and adds what is missing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from diffusers import AutoencoderTiny
from diffusers.models.unets.unet_2d_blocks import AutoencoderTinyBlock
from torch import nn

from models.training.networks.kept_rows import LEFT, UP, KeptRows, bias_of, convolutions, put, settle
from models.training.networks.latents import PATCH_PX, PatchBasis
from models.training.networks.patch_levels import SAMPLES, Level, Maps
from models.training.networks.quarter_gates import write_gates


class LinearStart:
    """Write the linear inverse into a decoder of one width; `masks` mark the elements that are to stay."""

    def __init__(self, decoder: nn.Module, basis: PatchBasis, latents: torch.Tensor, scaling: float) -> None:
        self._layers: list[Any] = [*decoder.layers]  # type: ignore[misc]
        self._kept = KeptRows(decoder)
        self.masks = self._kept.masks
        self._width = self._layers[0].out_channels
        self._one, self._codes = self._width - 5, list(range(self._width - 4, self._width))
        # One block makes three gates for each component, three quarters and two codes.
        self._part = (self._width - 5) // 3
        self._scaling = scaling
        samples = latents.float().permute(0, 2, 3, 1).flatten(0, 2)
        generator = torch.Generator().manual_seed(0)
        samples = samples[torch.randperm(len(samples), generator=generator)[:SAMPLES]]
        components = basis.components / basis.gain[:, None]
        self._levels = [Level(PATCH_PX, components, basis.mean, samples)]
        self._maps: list[Maps] = []
        for most in (self._width - 5 - basis.channels - 1, self._part, 12, 3):
            level, maps = self._levels[-1].smaller(most, generator)
            self._levels.append(level)
            self._maps.append(maps)

    @torch.no_grad()
    def write(self) -> None:
        """Write every kept row; the last convolutions of the blocks are zero elsewhere."""
        for layer in self._layers:
            if isinstance(layer, AutoencoderTinyBlock):
                layer.conv[4].weight.zero_()
                layer.conv[4].bias.zero_()
        doubling = [n for n, layer in enumerate(self._layers) if isinstance(layer, nn.Upsample)]
        self._write_first(self._layers[0])
        for block in self._layers[2 : doubling[0]]:
            self._write_counting(block)
        for number, (first, last) in enumerate(pairwise(doubling)):
            self._write_doubling(number, self._layers[first + 1])
            self._write_quarters(number, self._layers[first + 2 : last])
        self._write_last(self._layers[-2], self._layers[-1])

    def _write_first(self, convolution: nn.Conv2d) -> None:
        level = self._levels[0]
        self._kept.keep(convolution, [*range(level.count), self._one, *self._codes])
        for n in range(level.count):
            put(convolution, n, n, self._scaling)
            bias_of(convolution)[n] = level.shift[n]
        bias_of(convolution)[self._one] = 1

    def _write_counting(self, block: AutoencoderTinyBlock) -> None:
        """Carry the code three pixels further: even columns, odd columns, even rows, odd rows."""
        hidden = self._width - 9
        before = list(range(hidden, hidden + 4))
        now = list(range(hidden + 4, hidden + 8))
        one = hidden + 8
        first, second, third = convolutions(block)
        self._kept.keep(first, [*before, *now, one])
        self._kept.keep(second, [*before, *now, one])
        self._kept.keep(third, [*range(self._levels[0].count), self._one, *self._codes])
        for convolution, ones, codes in (
            (first, self._one, self._codes),
            (second, one, now),
            (third, one, now),
        ):
            target = self._codes if convolution is third else now
            for axis, tap in enumerate((LEFT, UP)):
                even, odd = 2 * axis, 2 * axis + 1
                put(convolution, target[even], ones, 1)
                put(convolution, target[even], ones, -1, tap)
                put(convolution, target[even], codes[odd], 1, tap)
                put(convolution, target[odd], codes[even], 1, tap)
            if convolution is not third:
                put(convolution, one, ones, 1)
            for n in range(4):
                if convolution is third:
                    put(third, self._codes[n], before[n], -1)
                else:
                    put(convolution, before[n], (self._codes if convolution is first else before)[n], 1)

    def _content(self, number: int) -> int:
        """Return where the components of a level begin: after those of the level before."""
        return 0 if number == 0 else self._levels[number - 1].count

    def _write_doubling(self, number: int, convolution: nn.Conv2d) -> None:
        """Move a level's components to the front, and give the next level's those of the first quarter."""
        large, small = self._levels[number], self._levels[number + 1]
        start = self._content(number)
        rows = [*range(large.count + small.count), self._one, *self._codes]
        self._kept.keep(convolution, rows)
        for n in range(large.count):
            put(convolution, n, start + n, 1)
        matrices, offsets = self._maps[number]
        constant = offsets[0] - matrices[0] @ large.shift + small.shift
        for n in range(small.count):
            put(convolution, large.count + n, self._one, float(constant[n]))
            for m in range(large.count):
                put(convolution, large.count + n, start + m, float(matrices[0][n, m]))
        put(convolution, self._one, self._one, 1)
        # The codes of the level before: odd column, odd row.
        odd = (self._codes[1], self._codes[3]) if number == 0 else (self._codes[2], self._codes[3])
        put(convolution, self._codes[0], odd[0], 1)
        put(convolution, self._codes[1], odd[1], 1)

    def _write_quarters(self, number: int, blocks: list[nn.Module]) -> None:
        count, done = self._levels[number + 1].count, 0
        for block in blocks:
            part = range(done, min(done + self._part, count))
            levels = self._levels[number], self._levels[number + 1]
            write_gates(block, self._kept, levels, self._maps[number], part, self._width)
            done = part.stop
        assert done == count, "too few blocks for the components of a level"

    def _write_last(self, doubling: nn.Conv2d, last: nn.Conv2d) -> None:
        """Paint the pixels (3 components), doubled smoothly, on a scale of 0..1."""
        level, start = self._levels[-1], self._content(len(self._levels) - 1)
        colours = list(range(start, start + 3))
        self._kept.keep(doubling, [*colours, self._one])
        for row in (*colours, self._one):
            put(doubling, row, row, 1)
        last.weight.zero_()
        bias_of(last).zero_()
        smooth = torch.tensor([0.25, 0.5, 0.25])
        kernel = smooth[:, None] * smooth
        to_pixels = level.components.T / 2  # (colour, component)
        for colour in range(3):
            for n in range(3):
                last.weight[colour, colours[n]] = to_pixels[colour, n] * kernel
            constant = level.mean[colour] / 2 - to_pixels[colour] @ level.shift
            last.weight[colour, self._one] = constant * kernel
        bias_of(last).add_(0.5)


def linear_start(vae: AutoencoderTiny, basis: PatchBasis, latents: torch.Tensor) -> dict[str, torch.Tensor]:
    """Start `vae.decoder` at the linear inverse. Returns, by parameter, which elements are to stay."""
    start = LinearStart(vae.decoder, basis, latents, vae.config.scaling_factor)
    start.write()
    settle(vae.decoder, start.masks, latents[:2].float() / vae.config.scaling_factor)
    return start.masks
