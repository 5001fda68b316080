"""Fixed linear latents: principal components of 16x16-pixel patches of the half-size picture.

Learning an autoencoder end to end takes longer than the diffusion model itself; a linear basis is found in
seconds. At half size a 512x384 picture is 192 tokens instead of 768, so that a small denoiser can learn whole
pictures. The trained decoder restores the full size and the crisp edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch.nn.functional import avg_pool2d, unfold

from deployments.diffusion.model.patch_autoencoder import PATCH_PX, SHRINK, decode_linearly, encode

FILE = "latent_basis.safetensors"
# 1 whitens fully, 0 leaves the spectrum as it is. Half keeps colour and outline ahead of fine detail,
# so that the sampler settles them first.
WHITENING = 0.5


@dataclass(frozen=True)
class PatchBasis:
    """latent = gain * components @ (patch - mean), with `mean` (768,), `components` (c, 768), `gain` (c,).

    The components are orthonormal.
    """

    mean: torch.Tensor
    components: torch.Tensor
    gain: torch.Tensor

    @property
    def channels(self) -> int:
        """Return the number of components."""
        return len(self.gain)

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        """Project pixels (n, 3, h, w) in -1..1 to latents (n, c, h/32, w/32)."""
        return encode(pixels, self.mean, self.components, self.gain)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Return the linear inverse: half-size pixels (n, 3, 16 h, 16 w) in about -1..1."""
        return decode_linearly(latents, self.mean, self.components, self.gain)

    def save(self, path: Path) -> None:
        """Write the basis as safetensors."""
        save_file({"mean": self.mean, "components": self.components, "gain": self.gain}, path)

    @classmethod
    def load(cls, path: Path) -> PatchBasis:
        """Read a basis that `save` wrote."""
        return cls(**load_file(path))

    @classmethod
    def fit(cls, pixels: torch.Tensor, channels: int, random_crops: int = 4, seed: int = 0) -> PatchBasis:
        """Fit on (n, 3, h, w) pixels at random offsets from the patch grid, so that no grid is learnt."""
        generator = torch.Generator().manual_seed(seed)
        half = avg_pool2d(pixels, SHRINK)
        patches = []
        for _ in range(random_crops):
            y, x = (int(torch.randint(0, PATCH_PX, (), generator=generator)) for _ in range(2))
            cropped = unfold(half[:, :, y:, x:], PATCH_PX, stride=PATCH_PX)
            patches.append(cropped.transpose(1, 2).reshape(-1, 3 * PATCH_PX**2))
        stacked = torch.cat(patches)
        mean = stacked.mean(0)
        centred = stacked - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        variance = values.flip(0)[:channels].clamp_min(1e-8)
        gain = variance ** (-WHITENING / 2)
        gain = gain / ((variance * gain**2).mean().sqrt())
        return cls(mean, vectors.flip(1)[:, :channels].T.contiguous(), gain)
