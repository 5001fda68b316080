"""Separate backdrop from figure before the edges: floods from the border, and soft lights."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.backdrop import Mask, Plane, length, parts

BACKDROP_SIGMAS = 4.0
SOFT_STEP = 2.2
"""Delta E between a region's rim and the backdrop beside it: light and shadow have less, cloth has more."""
SMALLEST_PART_PX = 12
"""At the middle size: less is grain."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_REACH = np.ones((11, 11), np.uint8)


def from_border(passable: Mask) -> Mask:
    """Find what of `passable` is connected to the picture's top or sides: figures stand on its lower edge."""
    padded = cv2.copyMakeBorder(passable.astype(np.uint8), 1, 0, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), (2,))
    return np.asarray(padded[1:, 1:-1] == 2)


def soft_light(lab: Plane, slope: Plane, backdrop: Mask, surface: Plane, level: float) -> Mask:
    """Find soft lights and shadows (h, w) on a backdrop: flat regions that meet it without a step.

    Of each region whose `slope` is below `level` the mean colour just inside its rim is compared with the
    backdrop's just outside, both less the `surface` (h, w, 3) expected. Cloth shows a step, light fades.
    """
    flat = ((slope < level) & ~backdrop).astype(np.uint8)
    count, labels = cv2.connectedComponents(flat, connectivity=4)
    near = cv2.dilate(labels.astype(np.float32), _REACH).astype(np.int32)
    outside = (near > 0) & backdrop
    inside = (labels > 0) & (cv2.dilate(backdrop.astype(np.uint8), _REACH) > 0)
    off = lab - surface
    touching, outer = _mean_by_label(near[outside], off[outside], count)
    _, inner = _mean_by_label(labels[inside], off[inside], count)
    rim = np.bincount(labels[(labels > 0) & (cv2.erode(flat, _CROSS) == 0)], minlength=count)
    # What an outline or a wide penumbra keeps from the backdrop shows no step to judge by.
    released = (np.linalg.norm(inner - outer, axis=1) < SOFT_STEP) & (touching >= np.maximum(4, rim))
    released[0] = False
    return np.asarray(released[labels])


def slopes(lab: Plane) -> Plane:
    """Return (h, w) Delta E per pixel."""
    smooth = cv2.GaussianBlur(lab, (3, 3), 0)
    across, down = cv2.Sobel(smooth, -1, 1, 0, scale=1 / 8), cv2.Sobel(smooth, -1, 0, 1, scale=1 / 8)
    return length(cv2.magnitude(across, down))


def without_grain(figure: Mask) -> Mask:
    """Drop the parts of (h, w) that are too small to be more than grain."""
    labels, areas = parts(figure)
    return np.asarray((areas >= SMALLEST_PART_PX)[labels])


def _mean_by_label(
    labels: cv2.typing.MatLike, values: Plane, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many pixels each label has, and the mean (count, 3) of `values` (n, 3) over them."""
    pixels = np.bincount(labels, minlength=count)
    sums = [np.bincount(labels, weights=values[:, channel], minlength=count) for channel in range(3)]
    return pixels, np.stack(sums, 1) / np.maximum(pixels, 1)[:, None]
