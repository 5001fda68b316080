"""The edge of a figure: how much of each pixel it covers, and its own colour there without the backdrop's."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, parts
from deployments.messages import Pixels

BAND_PX = 2
LEAST_CONTRAST = 18.0
"""RGB levels between figure and backdrop: with less, coverage cannot be separated from noise."""
CLIP = 0.04
OWN_FROM = 14.0
"""RGB levels off every mixture of figure and backdrop: at twice as many the colour is an outline's own."""
PALE_BY = 14.0
"""RGB levels that a rim is lighter than the figure and the backdrop."""
CHIP_ALPHA, CHIP_SHARE = 63.5 / 255, 0.001
"""From here on a part is seen, at 64 of 255; and the share of the figure below which it is a chip."""

_BAND = np.ones((2 * BAND_PX + 1,) * 2, np.uint8)
_RIM = np.ones((3, 3), np.uint8)


def resolve_edges(pixels: Pixels, backdrop: Plane, figure: Mask, off: Plane) -> tuple[Pixels, Plane]:
    """Return `pixels` (h, w, 3) with clean colours at the edge, and the coverage alpha (h, w) 0..1.

    `backdrop` (h, w, 3) is in RGB levels, `off` (h, w) the distance to it. In a band of two pixels around the
    figure alpha is the projection of I - B on F - B and the clean colour B + (I - B) / alpha, the solution of
    I = alpha F + (1 - alpha) B (Smith & Blinn, "Blue screen matting", 1996), F being the figure nearby.
    """
    solid = figure.astype(np.uint8)
    inner = cv2.erode(solid, _BAND, borderValue=1)
    rows, columns = np.nonzero(cv2.dilate(solid, _BAND) != inner)
    alpha = inner.astype(np.float32)
    clean = pixels.copy()
    if not rows.size:
        return clean, alpha

    deep = cv2.erode(solid, _RIM, borderValue=1)
    on_rim = ((deep == 0) & (cv2.dilate(deep, _BAND) > 0))[rows, columns]
    near = _nearby_figure(pixels, solid, off)[rows // 2, columns // 2]
    behind = backdrop[rows, columns]
    seen = pixels[rows, columns].astype(np.float32)
    way = near - behind
    length = np.einsum("ij,ij->i", way, way)
    cover = np.einsum("ij,ij->i", seen - behind, way) / np.maximum(length, 1)
    cover = np.clip((cover - CLIP) / (1 - 2 * CLIP), 0, 1)
    # An outline darker than the figure and the backdrop is no mixture of them.
    left = seen - behind - cover[:, None] * way
    darker = seen.sum(1) < np.minimum(near.sum(1), behind.sum(1))
    own = np.clip((np.sqrt(np.einsum("ij,ij->i", left, left)) - OWN_FROM) / OWN_FROM, 0, 1) * darker
    soft_cover = cv2.GaussianBlur(solid.astype(np.float32), (3, 3), 0)[rows, columns]
    sharp = np.clip((np.sqrt(length) - LEAST_CONTRAST) / LEAST_CONTRAST, 0, 1)
    cover = soft_cover + (cover - soft_cover) * sharp * (1 - own)
    alpha[rows, columns] = cover
    _without_chips(alpha)
    cover = alpha[rows, columns]

    unmixed = behind + (seen - behind) / np.maximum(cover, 0.1)[:, None]
    trust = (np.clip((cover - 0.1) / 0.4, 0, 1) * sharp)[:, None]
    color = near + (unmixed - near) * trust
    color += (seen - color) * own[:, None]
    # A line lighter than both sides is what sharpening left, and nothing of the figure's.
    pale = (seen.sum(1) > np.maximum(near.sum(1), behind.sum(1)) + 3 * PALE_BY) & on_rim
    color[pale] = near[pale]
    clean[rows, columns] = np.clip(np.rint(color), 0, 255).astype(np.uint8)
    return clean, alpha


def _without_chips(alpha: Plane) -> None:
    """Clear the parts of `alpha` (h, w) that are seen by themselves and smaller than a thousandth of it."""
    seen = (alpha >= CHIP_ALPHA).astype(np.uint8)
    labels, areas = parts(seen)
    if areas.size <= 2:
        return
    small = areas < CHIP_SHARE * areas.sum()
    small[0] = False
    if small.any():
        alpha[cv2.dilate(small[labels].astype(np.uint8), _RIM) * (seen == 0) + small[labels] > 0] = 0


def _nearby_figure(pixels: Pixels, solid: Pixels, off: Plane) -> Plane:
    """Return (h/2, w/2, 3) RGB: the figure's mean colour around each place, from near by or else farther off.

    Pixels far from the backdrop weigh more: those are the outline, and not its blend with what is behind.
    """
    inside = cv2.erode(solid, _RIM, borderValue=1)
    half = np.s_[::2, ::2]
    weight = inside[half] * (off[half] * off[half] + np.float32(1e-3))
    weighted = cv2.merge([*(channel * weight for channel in cv2.split(pixels[half])), weight])
    total = cv2.blur(weighted, (5, 5)) + np.float32(1e-3) * cv2.blur(weighted, (17, 17))
    return np.asarray(total[..., :3] / np.maximum(total[..., 3:], 1e-6), np.float32)
