"""A picture that painting starts from, and the mask of the area to repaint."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from deployments.messages import Pixels

Mask = NDArray[np.bool_]
"""(height, width). True means repainted."""
Size = tuple[int, int]
"""(width, height) in pixels."""
LEAST_WHITE = 128


@dataclass(frozen=True, kw_only=True)
class StartPicture:
    """A picture that image to image or inpainting starts from.

    `pixels` are (height, width, 3). The names, hashes of whole files, are compared instead.
    `strength`, in 0..1, is the part of the steps that is taken. With 1 nothing of the picture remains.
    """

    name: str
    strength: float
    mask_name: str | None = None
    pixels: Pixels | None = field(default=None, compare=False, repr=False)
    mask: Mask | None = field(default=None, compare=False, repr=False)

    def steps(self, num_inference_steps: int) -> int:
        """Return how many of the steps are taken: at least one."""
        return max(1, min(num_inference_steps, int(num_inference_steps * self.strength)))

    def strength_of(self, num_inference_steps: int) -> float:
        """Return a strength at which a pipeline takes at least one step."""
        if int(num_inference_steps * self.strength) >= 1:
            return self.strength
        return min(1.0, 1.5 / num_inference_steps)

    def at(self, width_px: int, height_px: int) -> StartPicture:
        """Return it in another size, since a picture may be smaller when it is retried."""
        if self.pixels is None or self.pixels.shape[:2] == (height_px, width_px):
            return self
        size = (width_px, height_px)
        mask = None if self.mask is None else fitted_mask(Image.fromarray(self.mask), size)
        return replace(self, pixels=fitted(Image.fromarray(self.pixels), size), mask=mask)

    def images(self) -> dict[str, Any]:
        """Return the image arguments for a diffusers pipeline."""
        images = {"image": Image.fromarray(np.asarray(self.pixels))}
        if self.mask is not None:
            images["mask_image"] = Image.fromarray(self.mask.astype(np.uint8) * 255)
        return images

    def pasted_into(self, painted: Pixels) -> Pixels:
        """Return the painted pixels, with the start picture's own wherever the mask is not white."""
        if self.mask is None or self.pixels is None:
            return painted
        return np.where(self.mask[..., None], painted, self.pixels)


def fitted(image: Image.Image, size: Size, multiple_of: int = 1) -> Pixels:
    """Return the image in another size, scaled to cover it and cropped around the middle.

    If `size` is the image's own, rounded down to multiples of `multiple_of`, the image is only cropped, and
    its pixels stay the same.
    """
    return np.asarray(_fit(image, size, multiple_of, Image.Resampling.LANCZOS))


def fitted_mask(mask: Image.Image, size: Size, multiple_of: int = 1) -> Mask:
    """Fit a mask as `fitted` fits its picture. Values of at least half white count as white."""
    gray = _fit(mask.convert("L"), size, multiple_of, Image.Resampling.BILINEAR)
    return np.asarray(np.asarray(gray) >= LEAST_WHITE)


def _fit(image: Image.Image, size: Size, multiple_of: int, resampling: Image.Resampling) -> Image.Image:
    width_px, height_px = size
    if size != (image.width // multiple_of * multiple_of, image.height // multiple_of * multiple_of):
        return ImageOps.fit(image, size, resampling)
    left, top = (image.width - width_px) // 2, (image.height - height_px) // 2
    return image.crop((left, top, left + width_px, top + height_px))
