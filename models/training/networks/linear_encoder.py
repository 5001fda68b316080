"""Set an AutoencoderTiny's encoder to the latents' own linear map: nothing of it needs training."""

from __future__ import annotations

import torch
from diffusers import AutoencoderTiny
from torch import nn

from models.training.networks.latents import PATCH_PX, PatchBasis
from models.training.networks.patch_levels import QUARTERS, Level


@torch.no_grad()
def set_linear_encoder(vae: AutoencoderTiny, basis: PatchBasis, latents: torch.Tensor) -> None:
    """Make `vae.encode` what `basis.encode` is, for an encoder of six levels without blocks.

    Each convolution of stride 2 gathers patches of twice the side: all their pixels up to 4 x 4, the main
    components of 8 x 8, which `latents` of training pictures give, and at 16 x 16 the latents.
    """
    first, halving, *gathering, last = (m for m in vae.encoder.layers if isinstance(m, nn.Conv2d))
    for convolution in (first, halving, *gathering, last):
        convolution.weight.zero_()
        if convolution.bias is not None:
            convolution.bias.zero_()
    for colour in range(3):
        first.weight[colour, colour, 1, 1] = 1
        halving.weight[colour, colour, 1:, 1:] = 0.25

    width = first.out_channels
    small = _quarters(basis, latents, width)
    main = small.components / small.components.norm(dim=1, keepdim=True)
    to_latents = (basis.components * basis.gain[:, None]).reshape(-1, 3, PATCH_PX, PATCH_PX)
    constant = -(basis.components @ basis.mean) * basis.gain
    _gather(gathering[0], torch.eye(12))
    _gather(gathering[1], torch.eye(48))
    _gather(gathering[2], main)
    half = PATCH_PX // 2
    for down, right in QUARTERS:
        rows, columns = (slice(n * half, n * half + half) for n in (down, right))
        quarter = to_latents[:, :, rows, columns].flatten(1)
        kept = quarter @ main.T
        gathering[3].weight[: basis.channels, :, 1 + down, 1 + right] = kept
        # The mean of what is left out; and pixels are in -1..1, while the encoder sees 0..1.
        constant += quarter @ small.mean - kept @ (main @ (small.mean + 1))
    scaling = vae.config.scaling_factor
    for n in range(basis.channels):
        last.weight[n, n, 1, 1] = 2 / scaling
    assert last.bias is not None
    last.bias.copy_(constant / scaling)


def _quarters(basis: PatchBasis, latents: torch.Tensor, most: int) -> Level:
    values = latents[:200].float().permute(0, 2, 3, 1).flatten(0, 2)
    whole = Level(PATCH_PX, basis.components / basis.gain[:, None], basis.mean, values)
    return whole.smaller(most, torch.Generator().manual_seed(0))[0]


def _gather(convolution: nn.Conv2d, matrix: torch.Tensor) -> None:
    """Turn four neighbouring pixels, patches (3, s, s) each, into `matrix` times the patch (3, 2s, 2s)."""
    side = round((matrix.shape[1] // 3) ** 0.5)
    patches = matrix.reshape(-1, 3, side, side)
    half = side // 2
    for down, right in QUARTERS:
        rows, columns = (slice(n * half, n * half + half) for n in (down, right))
        part = patches[:, :, rows, columns].flatten(1)
        convolution.weight[: len(matrix), : part.shape[1], 1 + down, 1 + right] = part
