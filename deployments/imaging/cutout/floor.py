"""Find what a figure stands on: its feet, and the shadow that it throws on the floor."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, parts
from deployments.imaging.cutout.silhouette import from_border
from deployments.messages import Pixels

FEET_FROM = 0.9
"""A share of a full figure's height: its feet are below it, and the dark ground right under them."""
KNEES_FROM = 0.75
SHADOWS_FROM = 0.55
"""A share of a full figure's height: a shadow on the floor is searched below it."""
SHADOW_TINT = 0.05
"""A share of the backdrop's length in RGB: a shadow is grayer or bluer by less."""
SOFTNESS = 0.16
"""Slope per pixel, of the darkness near by: a shadow's edge is flatter, that of gray boots steeper."""
NEARLY_AS_BRIGHT = 1.02
MOST_RISE = 0.03
"""A share of the picture's height: a shadow on the floor spreads aside and down; what rises is a gown."""

_CAST = np.ones((9, 9), np.uint8)
_GAP = np.ones((5, 5), np.uint8)


def feet_rows(figure: Mask, *shares: float) -> list[int | None]:
    """Find the row at each share of a full figure's height; None for one that the lower edge cuts off."""
    labels, areas = parts(figure)
    rows = np.flatnonzero((labels == int(areas.argmax())).any(1)) if areas.size > 1 else np.empty(0, np.int64)
    if not rows.size or rows[-1] - rows[0] + 1 < figure.shape[0] / 4 or figure[-1].mean() > 0.08:
        return [None for _ in shares]
    top, tall = int(rows[0]), int(rows[-1] - rows[0]) + 1
    return [max(1, int(top + share * (tall - 1))) for share in shares]


def floor_shadow(backdrop: Mask, slope: Plane, off: Plane, surface: Plane, rgb: Pixels, level: float) -> Mask:
    """Find the darker `backdrop` (h, w) beside a full figure that is connected to it without a sharp edge.

    `slope` is in Delta E per pixel, flat below `level`; `off` is the distance to the `surface` (h, w, 3).
    """
    found = np.zeros(backdrop.shape, np.bool_)
    (below,) = feet_rows(~backdrop, SHADOWS_FROM)
    if below is None and (~backdrop[-1]).mean() < 0.3:  # The shadow, and no figure, may reach the lower edge.
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
    """Find where (h, w, 3) RGB is the `surface` (h, w, 3) in Lab, in shadow."""
    behind = cv2.cvtColor(np.ascontiguousarray(surface), cv2.COLOR_LAB2RGB) * np.float32(255)
    return like_shadow(rgb, behind, NEARLY_AS_BRIGHT)


def like_shadow(rgb: Pixels, behind: Plane, brightest: float = 1.12) -> Mask:
    """Find which of (h, w, 3) RGB have the hue of what is `behind`, at 0.5 to `brightest` of its light."""
    seen = rgb.astype(np.float32)
    power = np.maximum(np.einsum("ijk,ijk->ij", behind, behind), 1)  # A backdrop may be black.
    scale = np.einsum("ijk,ijk->ij", seen, behind) / power
    residual = np.einsum("ijk,ijk->ij", seen, seen) / power - scale * scale
    return np.asarray((residual < SHADOW_TINT**2) & (scale > 0.5) & (scale < brightest))
