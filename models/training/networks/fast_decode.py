"""Decode as a training step does: only what has to be exact in single precision, the last layers in one."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import conv2d, pixel_shuffle

_UNTRAINED_LAYERS = 10
"""The first convolution, its activation and eight blocks: they carry latents and count (`linear_start`)."""
_EXACT_LEVELS = 3
"""Levels that are trained in single precision: the shifts of `linear_start` cost bfloat16 too many digits."""


def last_two_as_one(doubled: torch.nn.Conv2d, last: torch.nn.Conv2d) -> torch.Tensor:
    """Return a kernel (4 * colours, channels, 3, 3) that does what both do to repeated pixels.

    Applied to the pixels before they are repeated, and shuffled, it costs a twentieth. Only the outermost
    pixels differ: there the one pads what the other has made.
    """
    both = conv2d(doubled.weight.transpose(0, 1), last.weight.flip(2, 3), padding=2).transpose(0, 1)
    # Which of three neighbours each of five taps meets: in the first and the second of the repeated pixels.
    meets = both.new_tensor([[[1, 1, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 0, 0, 1]],
                             [[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 1]]])  # fmt: skip
    return torch.einsum("syp,txq,oipq->ostiyx", meets, meets, both).flatten(0, 2)


def paint(decoder: torch.nn.Module, latents: torch.Tensor, exact: bool) -> torch.Tensor:
    """Decode, the three largest levels in bfloat16 and, unless `exact`, the last two layers as one."""
    layers: list[Any] = [*decoder.layers]  # type: ignore[misc]
    doublings = [n for n, layer in enumerate(layers) if isinstance(layer, torch.nn.Upsample)]
    with torch.no_grad():
        painted = torch.tanh(latents / 3) * 3
        for layer in layers[:_UNTRAINED_LAYERS]:
            painted = layer(painted)
    for layer in layers[_UNTRAINED_LAYERS : doublings[_EXACT_LEVELS - 1]]:
        painted = layer(painted)
    with torch.autocast(latents.device.type, torch.bfloat16):
        for layer in layers[doublings[_EXACT_LEVELS - 1] : None if exact else doublings[-1]]:
            painted = layer(painted)
        if not exact:
            kernel = last_two_as_one(layers[-2], layers[-1])
            bias = layers[-1].bias.repeat_interleave(4)
            painted = pixel_shuffle(conv2d(painted, kernel, bias, padding=1), 2)
    return painted.float().mul(2).sub(1)
