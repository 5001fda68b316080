"""Which pixels are figure and which are backdrop, before edges are looked at: floods, soft shadows, holes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.backdrop import Mask, Plane, length
from deployments.messages import Pixels

BACKDROP_SIGMAS = 4.0
SOFT_RING_SIGMAS = 2.3
SOFT_STEP_SIGMAS = 8.5
SMOOTH_SLOPE = 3.5
"""Delta E per pixel at the middle size: light and shadow are flatter, outlines steeper."""
SHADOW_SLOPE = 5.0
SHADOW_TINT = 0.05
"""Of the backdrop's length in RGB: a shadow is grayer or bluer by less."""
FEET_FROM = 0.9
"""Of a full figure's height: floor shadows are looked for below it."""
HOLE_RESIDUAL = 1.5
"""Delta E: a highlight on silver can be as near to light gray paper as 2."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_SQUARE = np.ones((3, 3), np.uint8)


def from_border(passable: Mask) -> Mask:
    """What of `passable` is connected to the picture's border."""
    padded = cv2.copyMakeBorder(passable.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), (2,))
    return np.asarray(padded[1:-1, 1:-1] == 2)


def soft_light(slope: Plane, off: Plane, noise: float) -> Mask:
    """Soft lights and shadows (h, w) on a backdrop: flat regions whose edge fades.

    Just outside a shadow the backdrop is already `off`, just inside still little; not so at a shirt's edge.
    """
    backdrop = from_border(off < BACKDROP_SIGMAS * noise)
    flat = ((slope < SMOOTH_SLOPE) & ~backdrop).astype(np.uint8)
    count, labels = cv2.connectedComponents(flat, connectivity=4)
    window = np.ones((5, 5), np.uint8)
    near = cv2.dilate(labels.astype(np.float32), window).astype(np.int32)
    outside = (near > 0) & backdrop
    inside = (labels > 0) & (cv2.dilate(backdrop.astype(np.uint8), window) > 0)
    touching, level = _mean_by_label(near[outside], off[outside], count)
    _, step = _mean_by_label(labels[inside], off[inside], count)
    released = (level > SOFT_RING_SIGMAS * noise) & (step < SOFT_STEP_SIGMAS * noise) & (touching >= 4)
    released[0] = False
    return np.asarray(released[labels])


def slopes(lab: Plane) -> Plane:
    """(h, w) Delta E per pixel."""
    smooth = cv2.GaussianBlur(lab, (3, 3), 0)
    across, down = cv2.Sobel(smooth, -1, 1, 0, scale=1 / 8), cv2.Sobel(smooth, -1, 0, 1, scale=1 / 8)
    return length(cv2.magnitude(across, down))


def solid(off: cv2.typing.MatLike, signed: Plane, threshold: float) -> Mask:
    """The figure (h, w): all beyond `threshold` Delta E, and all that an outline of it encloses.

    An enclosed region stays open only where its mean `signed` (h, w, 3) deviation is next to none: the sight
    through a bent arm, and not a white coat inside its dark outline.
    """
    figure = cv2.morphologyEx((off > threshold).astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE)
    outside = from_border(figure == 0)
    figure[~outside] = 1
    enclosed = ((off <= threshold) & ~outside).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(enclosed, connectivity=4)
    for number in range(1, count):
        x, y, wide, high, area = stats[number]
        if area < 14:
            continue
        window = np.s_[y : y + high, x : x + wide]
        inside = labels[window] == number
        if np.linalg.norm(signed[window][inside].mean(0)) < HOLE_RESIDUAL:
            figure[window][inside] = 0
    return _without_specks(figure)


def _without_specks(figure: cv2.typing.MatLike) -> Mask:
    """Without what is smaller than a hundredth of the largest part."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(figure, connectivity=8)
    if count <= 2:
        return figure > 0
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    return np.asarray((areas >= max(8, 0.01 * areas.max()))[labels])


def _mean_by_label(
    labels: cv2.typing.MatLike, values: Plane, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many pixels each label has, and the mean of `values` over them."""
    pixels = np.bincount(labels, minlength=count)
    return pixels, np.bincount(labels, weights=values, minlength=count) / np.maximum(pixels, 1)


def floor_shadow(backdrop: Mask, slope: Plane, surface: Plane, rgb: Pixels) -> Mask:
    """Darker backdrop around a full figure's feet, connected to the backdrop without a steep edge."""
    found = np.zeros(backdrop.shape, np.bool_)
    below = feet_row(~backdrop)
    if below is None:
        return found
    behind = cv2.cvtColor(np.ascontiguousarray(surface[below:]), cv2.COLOR_LAB2RGB) * np.float32(255)
    alike = like_shadow(rgb[below:], behind) & (slope[below:] < SHADOW_SLOPE)
    passable = (alike | backdrop[below:]).astype(np.uint8)
    opened = cv2.morphologyEx(passable, cv2.MORPH_OPEN, _CROSS) > 0
    found[below:] = from_border(np.vstack([backdrop[below - 1 : below], opened]))[1:]
    return found


def feet_row(figure: Mask) -> int | None:
    """The row of (h, w) below which a full figure has its feet; None for one cut off by the bottom edge."""
    rows = np.flatnonzero(figure.any(1))
    if not rows.size or rows[-1] - rows[0] < figure.shape[0] / 4 or figure[-1].mean() > 0.08:
        return None
    return max(1, int(rows[0] + FEET_FROM * (rows[-1] - rows[0])))


def like_shadow(rgb: Pixels, behind: Plane) -> Mask:
    """Which of (h, w, 3) RGB have the hue of what is `behind` them, at 0.5 to 1.12 times its brightness."""
    seen = rgb.astype(np.float32)
    power = np.maximum(np.einsum("ijk,ijk->ij", behind, behind), 1)  # A backdrop may be black.
    scale = np.einsum("ijk,ijk->ij", seen, behind) / power
    residual = np.einsum("ijk,ijk->ij", seen, seen) / power - scale * scale
    return np.asarray((residual < SHADOW_TINT**2) & (scale > 0.5) & (scale < 1.12))
