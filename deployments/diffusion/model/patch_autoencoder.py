"""The bundled models' VAE: latents are components of a picture's patches, decoded by a small network.

Its encoder is linear. Its decoder is the linear inverse, at half the size, plus what a network adds: the full
size and the edges. A network that has to find the inverse by itself ends up blurrier than the inverse.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.autoencoder_tiny import AutoencoderTinyOutput
from diffusers.models.autoencoders.vae import DecoderOutput
from torch import nn
from torch.nn.functional import avg_pool2d, fold, interpolate, pixel_shuffle, pixel_unshuffle, relu, unfold

SHRINK = 2
PATCH_PX = 16
"""A patch of the half-size picture."""
FACTOR_PX = SHRINK * PATCH_PX
"""Full-size pixels for each latent, both ways."""
COLOURS = 3


def encode(
    pixels: torch.Tensor, mean: torch.Tensor, components: torch.Tensor, gain: torch.Tensor
) -> torch.Tensor:
    """Project pixels (n, 3, h, w) in -1..1 to latents (n, c, h/32, w/32).

    latent = gain * components @ (patch - mean), with `mean` (768,), `components` (c, 768), `gain` (c,).
    """
    n, _, height, width = pixels.shape
    patches = unfold(avg_pool2d(pixels, SHRINK), PATCH_PX, stride=PATCH_PX).transpose(1, 2)
    latents = (patches - mean) @ components.T * gain
    return latents.transpose(1, 2).reshape(n, len(gain), height // FACTOR_PX, width // FACTOR_PX)


def decode_linearly(
    latents: torch.Tensor, mean: torch.Tensor, components: torch.Tensor, gain: torch.Tensor
) -> torch.Tensor:
    """Return the linear inverse of `encode`: half-size pixels (n, 3, 16 h, 16 w) in about -1..1."""
    _, _, height, width = latents.shape
    patches = (latents.flatten(2).transpose(1, 2) / gain) @ components + mean
    return fold(patches.transpose(1, 2), (height * PATCH_PX, width * PATCH_PX), PATCH_PX, stride=PATCH_PX)


def start_at_zero(layer: nn.Conv2d) -> None:
    """Let a layer return zeros until it is trained."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class ResidualBlock(nn.Module):
    """Two convolutions that add to their input, and add nothing until they are trained."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        start_at_zero(self.second)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return (n, channels, h, w)."""
        added: torch.Tensor = self.second(relu(self.first(relu(x))))
        return x + added


class Level(nn.Module):
    """Blocks of one size. All but the first level double the size before, and read the linear inverse too.

    The inverse's pixels are gathered in channels, so that it has the level's size.
    """

    def __init__(self, channels: int, before: int, gathered: int, blocks: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(before, channels, 3, padding=1)
        self.see = nn.Conv2d(gathered, channels, 3, padding=1) if gathered else None
        self.blocks = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))

    def forward(self, x: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
        """Return (n, channels, h, w), of the size of `x` at the first level, twice that at any other."""
        if self.see is None:
            return self.blocks(self.enter(x))  # type: ignore[no-any-return]
        doubled = interpolate(x, scale_factor=2.0, mode="nearest")
        gathered = pixel_unshuffle(linear, linear.shape[-1] // doubled.shape[-1])
        return self.blocks(self.enter(doubled) + self.see(gathered))  # type: ignore[no-any-return]


class Details(nn.Module):
    """The network that adds to the linear inverse."""

    def __init__(self, latent_channels: int, widths: tuple[int, ...], blocks: int) -> None:
        super().__init__()
        before, levels = latent_channels, []
        for number, width in enumerate(widths):
            side = PATCH_PX >> number
            levels.append(Level(width, before, COLOURS * side * side if number else 0, blocks))
            before = width
        self.levels = nn.ModuleList(levels)
        self.paint = nn.Conv2d(before, COLOURS * SHRINK * SHRINK, 3, padding=1)
        start_at_zero(self.paint)

    def forward(self, latents: torch.Tensor, linear: torch.Tensor) -> torch.Tensor:
        """Return what to add at full size (n, 3, 32 h, 32 w), given the inverse at half size."""
        x = latents
        for level in self.levels:
            x = level(x, linear)
        return pixel_shuffle(self.paint(relu(x)), SHRINK)


class PatchAutoencoder(ModelMixin, ConfigMixin):  # type: ignore[misc]
    """A VAE for diffusers pipelines, in place of an AutoencoderKL or AutoencoderTiny.

    `block_out_channels` are the widths from the full size, with four places for each colour, to the smallest.
    """

    @register_to_config  # type: ignore[untyped-decorator]
    def __init__(
        self,
        latent_channels: int = 32,
        block_out_channels: tuple[int, ...] = (12, 48, 64, 96, 128, 160),
        blocks: int = 2,
        scaling_factor: float = 1.0,
        force_upcast: bool = False,
    ) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(COLOURS * PATCH_PX**2), requires_grad=False)
        self.components = nn.Parameter(torch.zeros(latent_channels, len(self.mean)), requires_grad=False)
        self.gain = nn.Parameter(torch.ones(latent_channels), requires_grad=False)
        self.details = Details(latent_channels, tuple(reversed(block_out_channels[1:])), blocks)

    def encode(self, x: torch.Tensor, return_dict: bool = True) -> Any:
        """Return the latents of pixels (n, 3, h, w) in -1..1, h and w multiples of 32."""
        latents = encode(x, self.mean, self.components, self.gain)
        return AutoencoderTinyOutput(latents=latents) if return_dict else (latents,)

    def decode(
        self, x: torch.Tensor, generator: torch.Generator | None = None, return_dict: bool = True
    ) -> Any:
        """Return the picture (n, 3, 32 h, 32 w) in about -1..1 of latents (n, c, h, w). Draws no noise."""
        linear = decode_linearly(x, self.mean, self.components, self.gain)
        sample = interpolate(linear, scale_factor=2.0, mode="bilinear") + self.details(x, linear)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def forward(self, sample: torch.Tensor) -> DecoderOutput:
        """Encode and decode."""
        decoded: DecoderOutput = self.decode(self.encode(sample).latents)
        return decoded
