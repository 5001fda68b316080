"""Pictures that guide a painting besides its prompt: its references and its pose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from deployments.diffusion.start_picture import fitted
from deployments.messages import Keypoint, Pixels

SMALLEST_PX = 32
"""No side is scaled below this, since encoders cannot read less."""


@dataclass(frozen=True, kw_only=True)
class References:
    """Pictures that a painting should resemble, with the strength `scale`.

    `pixels` are (height, width, 3) each. Their `names`, the hashes of their files, are compared instead.
    """

    names: tuple[str, ...]
    scale: float
    pixels: tuple[Pixels, ...] = field(default=(), compare=False, repr=False)

    def images(self, scale: float = 1.0) -> list[Image.Image]:
        """Return them as diffusers pipelines take them, scaled down if `scale` is below 1."""
        return [_scaled(Image.fromarray(pixels), scale) for pixels in self.pixels]


@dataclass(frozen=True, kw_only=True)
class PosePicture:
    """The control picture of a pose, which a painting follows with the strength `scale`.

    `pixels` are (height, width, 3). Its keypoints, or `name`, the hash of its file, are compared instead.
    """

    scale: float
    keypoints: tuple[Keypoint, ...] = ()
    name: str | None = None
    pixels: Pixels | None = field(default=None, compare=False, repr=False)

    def at(self, width_px: int, height_px: int) -> PosePicture:
        """Return it in another size, since a picture may be smaller when it is retried."""
        if self.pixels is None or self.pixels.shape[:2] == (height_px, width_px):
            return self
        return replace(self, pixels=fitted(Image.fromarray(self.pixels), (width_px, height_px)))

    def image(self) -> Image.Image:
        """Return it as diffusers pipelines take it."""
        return Image.fromarray(np.asarray(self.pixels))


def at_most(image: Image.Image, pixels: int) -> Image.Image:
    """Return the picture, scaled down to at most `pixels` pixels."""
    return _scaled(image, (pixels / (image.width * image.height)) ** 0.5)


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    """Scale a picture down, but bring no side below SMALLEST_PX."""
    scale = max(scale, min(1.0, SMALLEST_PX / min(image.size)))
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
