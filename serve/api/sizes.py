"""Widths and heights: check those of a request, and fit the service's defaults for those left out."""

from __future__ import annotations

import math

from deployments.diffusion.model.registry import ModelCard
from deployments.errors import InvalidRequest
from deployments.imaging.upscaling import upscaled_size

from ..config.request_limits import Limits

Size = tuple[int, int]
"""(width, height) in pixels."""
COARSE_PX = 64
LONGEST_SHAPE = 2.0


def layer_size(
    requested: tuple[int | None, int | None], default: Size, factor: int, limits: Limits, prefix: str
) -> Size:
    """Return a layer's size.

    Raises InvalidRequest with the parameter's path; sides are multiples of the model's latent factor.
    """
    size = _filled(requested, default, factor, limits.max_image_size, limits, prefix)
    for name, side in zip(("width", "height"), requested, strict=True):
        if side is not None and side % factor:
            param = f"{prefix}{name}"
            nearest = max(
                limits.min_image_size, min(round(side / factor), limits.max_image_size // factor) * factor
            )
            raise InvalidRequest(f"{param} must be a multiple of {factor}; the nearest is {nearest}", param)
    return size


def frame_shaped(frame: Size, card: ModelCard, limits: Limits) -> Size:
    """Return the size in which a model should paint to fill `frame`.

    Of the sizes it was trained in, the one nearest in shape.

    Where only a native size is known: the frame's shape (no longer than 2:1) at about as many pixels, in
    multiples of 64, which every level of a Stable Diffusion UNet halves evenly.
    """
    shape = frame[0] / frame[1]
    if card.trained_sizes:
        return min(card.trained_sizes, key=lambda size: abs(math.log(size[0] / size[1] / shape)))
    shape = min(max(shape, 1 / LONGEST_SHAPE), LONGEST_SHAPE)
    most = limits.max_image_size // COARSE_PX * COARSE_PX
    area = card.native_size[0] * card.native_size[1]
    sizes = [
        (width, max(COARSE_PX, round(width / shape / COARSE_PX) * COARSE_PX))
        for width in range(COARSE_PX, most + 1, COARSE_PX)
    ]
    fitting = [size for size in sizes if size[1] <= most] or [(COARSE_PX, COARSE_PX)]

    def misfit(size: Size) -> float:
        width, height = size
        return 2 * abs(math.log(width / height / shape)) + abs(math.log(width * height / area))

    return min(fitting, key=misfit)


def frame_size(requested: tuple[int | None, int | None], default: Size, limits: Limits) -> Size:
    """Return the size of a merge's frame. Raises InvalidRequest with the parameter's path."""
    return _filled(requested, default, 1, limits.max_frame_size or limits.max_image_size, limits, "merge.")


def check_upscaled(size: Size, factor: float, limits: Limits) -> None:
    """Raise InvalidRequest where a picture of this size would be upscaled beyond the limit."""
    most = limits.max_upscaled_size
    if factor != 1.0 and max(upscaled_size(*size, factor)) > most:
        message = (
            f"output.upscale may be at most {math.floor(100 * most / max(size)) / 100:g} for a picture of"
            f" {size[0]} x {size[1]} pixels: a side may have {most}"
        )
        raise InvalidRequest(message, "output.upscale")


def _filled(
    requested: tuple[int | None, int | None],
    default: Size,
    factor: int,
    most: int,
    limits: Limits,
    prefix: str,
) -> Size:
    for name, side in zip(("width", "height"), requested, strict=True):
        if side is not None and not limits.min_image_size <= side <= most:
            param = f"{prefix}{name}"
            bounds = f"between {limits.min_image_size} and {most} pixels"
            raise InvalidRequest(f"{param} must be {bounds}", param)
    scale = min(1.0, most / max(default))
    width, height = (max(limits.min_image_size, int(side * scale) // factor * factor) for side in default)
    return requested[0] or width, requested[1] or height
