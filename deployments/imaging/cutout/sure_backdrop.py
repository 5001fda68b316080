"""Find what is surely backdrop, and learn the backdrop's surface from that.

It is found by floods from the border, as soft light, and as the shadow that a figure casts on its floor.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.backdrop import Fit, Mask, Plane, length, noise_of, parts, refit, to_lab
from deployments.messages import Pixels

BACKDROP_SIGMAS = 4.0
SOFT_STEP = 2.2
"""Delta E between a region's rim and the backdrop beside it: light and shadow have less, cloth has more."""
SMALLEST_PART_PX = 12
"""The area at the middle size below which a part is grain."""

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_REACH = np.ones((11, 11), np.uint8)
FEET_FROM = 0.9
"""A share of a full figure's height: its feet and the dark ground right under them are below it."""
KNEES_FROM = 0.75
SHADOWS_FROM = 0.55
"""A share of a full figure's height: a shadow on the floor is searched for below it."""
SHADOW_TINT = 0.05
"""A share of the backdrop's length in RGB: a shadow's tint differs by less."""
SOFTNESS = 0.16
"""Slope per pixel, as a share of the darkness nearby: a shadow's edge is flatter, gray boots' steeper."""
NEARLY_AS_BRIGHT = 1.02
MOST_RISE = 0.03
"""A share of the picture's height: a floor shadow spreads sideways and down; what rises more is a gown."""
_CAST = np.ones((9, 9), np.uint8)
_GAP = np.ones((5, 5), np.uint8)
LEAST_BACKDROP = 0.04
LEAST_SLOPE, MOST_SLOPE = 0.5, 0.8
"""Delta E per pixel at the middle size.

The grain sets a level between them: the backdrop is flatter, outlines are steeper.
"""
_SPECK = np.ones((3, 3), np.uint8)
_EDGE = np.ones((5, 5), np.uint8)


def from_border(passable: Mask) -> Mask:
    """Find which of `passable` is connected to the top or the sides; figures may stand on the lower edge."""
    padded = cv2.copyMakeBorder(passable.astype(np.uint8), 1, 0, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(padded, None, (0, 0), (2,))
    return np.asarray(padded[1:, 1:-1] == 2)


def soft_light(lab: Plane, slope: Plane, backdrop: Mask, surface: Plane, level: float) -> Mask:
    """Find soft lights and shadows (h, w) on a backdrop: flat regions that meet it without a step.

    For each region whose `slope` is below `level`, the mean colour just inside its rim is compared with the
    backdrop's just outside, both minus the expected `surface` (h, w, 3). Cloth shows a step, light fades.
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
    # Behind an outline or a wide penumbra there is no step to judge by.
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


def feet_rows(figure: Mask, *shares: float) -> list[int | None]:
    """Find the row at each share of a full figure's height; all None if the lower edge cuts it off."""
    labels, areas = parts(figure)
    rows = np.flatnonzero((labels == int(areas.argmax())).any(1)) if areas.size > 1 else np.empty(0, np.int64)
    if not rows.size or rows[-1] - rows[0] + 1 < figure.shape[0] / 4 or figure[-1].mean() > 0.08:
        return [None for _ in shares]
    top, tall = int(rows[0]), int(rows[-1] - rows[0]) + 1
    return [max(1, int(top + share * (tall - 1))) for share in shares]


def floor_shadow(backdrop: Mask, slope: Plane, off: Plane, surface: Plane, rgb: Pixels, level: float) -> Mask:
    """Find the darker floor (h, w) beside a full figure that joins the `backdrop` without a sharp edge.

    `slope` is in Delta E per pixel, flat below `level`; `off` is the distance to the `surface` (h, w, 3).
    """
    found = np.zeros(backdrop.shape, np.bool_)
    (below,) = feet_rows(~backdrop, SHADOWS_FROM)
    if below is None and (~backdrop[-1]).mean() < 0.3:  # Maybe only the shadow reaches the lower edge.
        (below,) = feet_rows(~(backdrop | _darker(surface, rgb)), SHADOWS_FROM)
    if below is None:
        return found
    alike = _darker(surface[below:], rgb[below:])
    step = cv2.dilate(off[below:] * alike, _CAST)
    soft = slope[below:] < np.maximum(SOFTNESS * step, level)
    passable = ((alike & soft) | backdrop[below:]).astype(np.uint8)
    opened = cv2.morphologyEx(passable, cv2.MORPH_OPEN, _GAP) > 0
    reached = backdrop[below - 1 : below]
    strip = max(2, round(MOST_RISE * len(backdrop)))
    for top in range(0, len(opened), strip):
        found[below + top : below + top + strip] = from_border(
            np.vstack([reached[-1:], opened[top : top + strip]])
        )[1:]
        reached = found[: below + top + strip]
    return found


def _darker(surface: Plane, rgb: Pixels) -> Mask:
    """Find where (h, w, 3) RGB looks like the `surface`, (h, w, 3) in Lab, in shadow."""
    behind = cv2.cvtColor(np.ascontiguousarray(surface), cv2.COLOR_LAB2RGB) * np.float32(255)
    return like_shadow(rgb, behind, NEARLY_AS_BRIGHT)


def like_shadow(rgb: Pixels, behind: Plane, brightest: float = 1.12) -> Mask:
    """Find where (h, w, 3) RGB has the hue of `behind`, at 0.5 to `brightest` times its light."""
    seen = rgb.astype(np.float32)
    power = np.maximum(np.einsum("ijk,ijk->ij", behind, behind), 1)  # A backdrop may be black.
    scale = np.einsum("ijk,ijk->ij", seen, behind) / power
    residual = np.einsum("ijk,ijk->ij", seen, seen) / power - scale * scale
    return np.asarray((residual < SHADOW_TINT**2) & (scale > 0.5) & (scale < brightest))


def learn(middle: Pixels, fit: Fit) -> tuple[Plane, Mask]:
    """Learn the backdrop's surface (h, w, 3) Lab at the middle size, and where it is surely seen (h, w).

    At first this is what lies near the border's fit and is connected to the border without crossing an edge,
    with the soft lights in it. The surface is learned again from that. Only then are shadows on the floor
    searched for: against the first fit, a lit backdrop looks like shadow, or its shadow like cloth.
    """
    calm = np.asarray(cv2.bilateralFilter(middle, 5, 5 * fit.noise + 5, 2), np.uint8)
    lab = to_lab(calm)
    surface = np.asarray(cv2.resize(fit.surface, (lab.shape[1], lab.shape[0])), np.float32)
    slope, noise, off = slopes(lab), fit.noise, length(lab - surface)
    grain = float(np.percentile(slope[: max(1, len(slope) // 8) : 2, ::2], 95))
    level = min(max(1.3 * grain, LEAST_SLOPE), MOST_SLOPE)
    for last in (False, True):
        plain = ((off < BACKDROP_SIGMAS * noise) & (slope < level)).astype(np.uint8)
        seen = from_border(cv2.morphologyEx(plain, cv2.MORPH_OPEN, _SPECK) > 0)
        sure = ~without_grain(~(seen | soft_light(lab, slope, seen, surface, level)))
        if last:
            sure |= floor_shadow(sure, slope, off, surface, calm, level)
            sure = ~without_grain(~sure)
        sure = cv2.erode(sure.astype(np.uint8), _EDGE, borderValue=1) > 0
        if sure.mean() < LEAST_BACKDROP:
            break
        surface = refit(lab, sure, fine=last)
        off = length(lab - surface)
        noise = noise_of(off[::2, ::3], sure[::2, ::3])
    return surface, sure
