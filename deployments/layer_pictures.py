"""Read the pictures that a layer is painted from: what it starts from, what it resembles, its pose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PIL import Image

from deployments.diffusion.guide_pictures import PosePicture, References
from deployments.diffusion.start_picture import StartPicture, fitted, fitted_mask
from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import open_upright, place_pixels
from deployments.imaging.skeleton import draw_skeleton
from deployments.messages import LayerJob, Pixels

MOST_PX = 1 << 30
"""Bounded where they were taken in: what is read here was written by a merger's replica."""
LONGEST_SIDE_PX = 1024
"""The longest side of a reference that is kept while its layer waits: encoders read less."""


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


def read_references(job: LayerJob, files: Mapping[str, bytes]) -> References | None:
    """Return the pictures that a job's layer shall resemble. Blocks, and holds much memory.

    `files` by their names. What is transparent is white. Raises InvalidRequest naming the one at fault.
    """
    if not job.references:
        return None
    pixels = tuple(
        _no_longer(place_pixels(open_upright(files[name], job.param_of(f"references.{index}"), MOST_PX)))
        for index, name in enumerate(job.references)
    )
    return References(names=job.references, scale=job.reference_scale, pixels=pixels)


def read_pose(job: LayerJob, files: Mapping[str, bytes]) -> PosePicture | None:
    """Return the control picture of a job's pose, in the layer's own size. Blocks.

    `files` by their names. Raises InvalidRequest naming the one at fault.
    """
    size = job.width_px, job.height_px
    if job.pose:
        drawn = draw_skeleton(job.pose, *size)
        return PosePicture(scale=job.pose_scale, keypoints=job.pose, pixels=drawn)
    if job.pose_image is None:
        return None
    image = open_upright(files[job.pose_image], job.param_of("pose.image"), MOST_PX)
    pixels = fitted(Image.fromarray(place_pixels(image)), size)
    return PosePicture(scale=job.pose_scale, name=job.pose_image, pixels=pixels)


def _no_longer(pixels: Pixels) -> Pixels:
    """Return a picture of at most LONGEST_SIDE_PX a side."""
    if max(pixels.shape[:2]) <= LONGEST_SIDE_PX:
        return pixels
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX), Image.Resampling.LANCZOS)
    return np.asarray(image)
