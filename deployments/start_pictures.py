"""Read the pictures that a layer starts from, in the layer's own size."""

from __future__ import annotations

from collections.abc import Mapping

from PIL import Image

from deployments.diffusion.start_picture import StartPicture, fitted, fitted_mask
from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import open_upright, place_pixels
from deployments.messages import LayerJob

MOST_PX = 1 << 30
"""Bounded where they were taken in: what is read here was written by a merger's replica."""


def read_start(job: LayerJob, files: Mapping[str, bytes], multiple_of: int) -> StartPicture | None:
    """Return what a job starts from, None where it starts from noise. Blocks, and holds much memory.

    `files` by their names. The sides of the model's pictures are multiples of `multiple_of`. What is
    transparent in the image is white; in the mask it is black, which stays as it is. Raises InvalidRequest
    naming the one at fault.
    """
    if job.image is None:
        return None
    size = job.width_px, job.height_px
    image = open_upright(files[job.image], job.param_of("image"), MOST_PX)
    mask = None
    if job.mask is not None:
        param = job.param_of("mask")
        drawn = open_upright(files[job.mask], param, MOST_PX)
        if drawn.size != image.size:
            raise InvalidRequest(f"{param} must be as large as the image", param)
        black = Image.new("RGBA", drawn.size, "black")
        mask = fitted_mask(Image.alpha_composite(black, drawn.convert("RGBA")), size, multiple_of)
    return StartPicture(
        name=job.image,
        strength=job.strength,
        mask_name=job.mask,
        pixels=fitted(Image.fromarray(place_pixels(image)), size, multiple_of),
        mask=mask,
    )
