"""Widths and heights: those asked for are checked, those left out are the service's defaults, made to fit."""

from __future__ import annotations

from deployments.errors import InvalidRequest

from .config import Limits

Size = tuple[int, int]
"""(width, height) in pixels."""


def layer_size(
    asked: tuple[int | None, int | None], default: Size, factor: int, limits: Limits, prefix: str
) -> Size:
    """Raises InvalidRequest with the parameter's path; sides are multiples of the model's latent factor."""
    size = _filled(asked, default, factor, limits.max_image_size, limits, prefix)
    for name, side in zip(("width", "height"), asked, strict=True):
        if side is not None and side % factor:
            param = f"{prefix}{name}"
            nearest = max(
                limits.min_image_size, min(round(side / factor), limits.max_image_size // factor) * factor
            )
            raise InvalidRequest(f"{param} must be a multiple of {factor}; the nearest is {nearest}", param)
    return size


def frame_size(asked: tuple[int | None, int | None], default: Size, limits: Limits) -> Size:
    """Raises InvalidRequest with the parameter's path."""
    return _filled(asked, default, 1, limits.max_frame_size or limits.max_image_size, limits, "merge.")


def _filled(
    asked: tuple[int | None, int | None], default: Size, factor: int, most: int, limits: Limits, prefix: str
) -> Size:
    for name, side in zip(("width", "height"), asked, strict=True):
        if side is not None and not limits.min_image_size <= side <= most:
            param = f"{prefix}{name}"
            bounds = f"between {limits.min_image_size} and {most} pixels"
            raise InvalidRequest(f"{param} must be {bounds}", param)
    scale = min(1.0, most / max(default))
    width, height = (max(limits.min_image_size, int(side * scale) // factor * factor) for side in default)
    return asked[0] or width, asked[1] or height
