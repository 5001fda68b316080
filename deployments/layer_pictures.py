"""Read the pictures that a layer is painted from: its start picture, its references and its pose."""

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
"""Uploads were bounded on arrival: the files read here were written by a merger's replica."""
LONGEST_SIDE_PX = 1024
"""The longest side of a reference kept while its layer waits. Encoders read smaller pictures than this."""


def read_start(job: LayerJob, files: Mapping[str, bytes], multiple_of: int) -> StartPicture | None:
    """Return a job's start picture, or None if it starts from noise. Blocks, and takes a lot of memory.

    `files` are by name. The sides of the model's pictures are multiples of `multiple_of`. Transparent pixels
    become white in the image and black in the mask, where black means unchanged. Raises InvalidRequest naming
    the file at fault.
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
    """Return the reference pictures of a job's layer, if any. Blocks, and takes a lot of memory.

    `files` are by name. Transparent pixels become white. Raises InvalidRequest naming the file at fault.
    """
    if not job.references:
        return None
    pixels = tuple(
        _no_longer(place_pixels(open_upright(files[name], job.param_of(f"references.{index}"), MOST_PX)))
        for index, name in enumerate(job.references)
    )
    return References(names=job.references, scale=job.reference_scale, pixels=pixels)


def read_pose(job: LayerJob, files: Mapping[str, bytes]) -> PosePicture | None:
    """Return the control picture of a job's pose at the layer's size, or None if it has none. Blocks.

    `files` are by name. Raises InvalidRequest naming the file at fault.
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
