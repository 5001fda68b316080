"""Pictures that guide a painting besides its words: those that it shall resemble, and the one of its pose."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from deployments.diffusion.start_picture import fitted
from deployments.messages import Keypoint, Pixels

SMALLEST_PX = 32
"""The side below which no picture is scaled: encoders cannot read less."""


@dataclass(frozen=True, kw_only=True)
class References:
    """Pictures that a painting shall resemble, by `scale`. Equal by `names`, the hashes of their files.

    `pixels`: (height, width, 3) of each.
    """

    names: tuple[str, ...]
    scale: float
    pixels: tuple[Pixels, ...] = field(default=(), compare=False, repr=False)

    def images(self, scale: float = 1.0) -> list[Image.Image]:
        """Return them as pipelines of diffusers take them, scaled where `scale` is below 1."""
        return [_scaled(Image.fromarray(pixels), scale) for pixels in self.pixels]


@dataclass(frozen=True, kw_only=True)
class PosePicture:
    """The control picture of a pose, which a painting follows by `scale`.

    Equal by its keypoints, or by `name`, the hash of its file. `pixels`: (height, width, 3).
    """

    scale: float
    keypoints: tuple[Keypoint, ...] = ()
    name: str | None = None
    pixels: Pixels | None = field(default=None, compare=False, repr=False)

    def at(self, width_px: int, height_px: int) -> PosePicture:
        """Return it in another size: a picture that is painted again may be a smaller one."""
        if self.pixels is None or self.pixels.shape[:2] == (height_px, width_px):
            return self
        return replace(self, pixels=fitted(Image.fromarray(self.pixels), (width_px, height_px)))

    def image(self) -> Image.Image:
        """Return it as pipelines of diffusers take it."""
        return Image.fromarray(np.asarray(self.pixels))


def at_most(image: Image.Image, pixels: int) -> Image.Image:
    """Return the picture with at most so many pixels."""
    return _scaled(image, (pixels / (image.width * image.height)) ** 0.5)


def _scaled(image: Image.Image, scale: float) -> Image.Image:
    """Scale a picture down, with no side below SMALLEST_PX that was not below it."""
    scale = max(scale, min(1.0, SMALLEST_PX / min(image.size)))
    if scale >= 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
