"""Make a figure whole: what its outline encloses, less the sights through it, less what is not attached."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, parts
from deployments.imaging.cutout.evidence import FIGURE_SIGMAS, Evidence
from deployments.imaging.cutout.silhouette import from_border

HOLE_RESIDUAL = 1.45
"""Delta E of a whole region: less is the backdrop, seen through a bent arm."""
LIGHT_WEIGHT = 0.45
"""Weight of a step of lightness against one of hue: behind a figure light varies, the hue does not."""
SMALLEST_HOLE_PX = 14
FAR_PART = 0.1
"""A share of the largest part: what is smaller and far from it is not the figure's."""
FAR_SHARE = 0.03
"""A share of the picture's height: from here on a part is far."""

_SQUARE = np.ones((3, 3), np.uint8)


def solid(evidence: Evidence, sigmas: float = FIGURE_SIGMAS, residual: float = HOLE_RESIDUAL) -> Mask:
    """Find the figure (h, w): all beyond `sigmas`, and all that an outline of it encloses.

    An enclosed region stays open only where its mean deviation is below `residual`: the sight through a bent
    arm, and not a white coat inside its dark outline.
    """
    evident = evidence.sigmas > sigmas
    figure = cv2.morphologyEx(evident.astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE)
    outside = from_border(figure == 0)
    figure[~outside] = 1
    holes = _holes(~(evident | outside), evidence.signed, residual)
    if holes.any():
        figure[_extended(holes, evidence.shaded & ~outside)] = 0
    return _attached(figure)


def eager(evidence: Evidence) -> Mask:
    """Find the figure with all that is even a little off the backdrop."""
    return solid(evidence, 0.6 * FIGURE_SIGMAS)


def cautious(evidence: Evidence) -> Mask:
    """Find the figure without what is only a little off the backdrop."""
    return solid(evidence, 1.7 * FIGURE_SIGMAS)


def with_sure_sights(evidence: Evidence) -> Mask:
    """Find the figure with those parts open that are surely a sight through it."""
    return solid(evidence, residual=0.6 * HOLE_RESIDUAL)


def with_every_sight(evidence: Evidence) -> Mask:
    """Find the figure with every part open that may be a sight through it."""
    return solid(evidence, residual=2 * HOLE_RESIDUAL)


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection of two masks over their union: 0..1."""
    return int(np.count_nonzero(one & other)) / max(1, int(np.count_nonzero(one | other)))


def _holes(enclosed: Mask, signed: Plane, residual: float) -> Mask:
    """Find which parts of `enclosed` (h, w) are backdrop."""
    if not enclosed.any():
        return enclosed
    labels, areas = parts(enclosed, 4)
    within = labels[enclosed]
    mean = [
        np.bincount(within, signed[..., c][enclosed], areas.size) / np.maximum(areas, 1) for c in range(3)
    ]
    off = np.sqrt((LIGHT_WEIGHT * mean[0]) ** 2 + mean[1] ** 2 + mean[2] ** 2)
    return np.asarray(((off < residual) & (areas >= SMALLEST_HOLE_PX))[labels])


def _extended(holes: Mask, shaded: Mask) -> Mask:
    """Extend `holes` (h, w) over what is `shaded` backdrop beside them: the shadow between two feet."""
    alike = (cv2.morphologyEx((shaded | holes).astype(np.uint8), cv2.MORPH_OPEN, _SQUARE) > 0) | holes
    labels, areas = parts(alike, 4)
    share = np.bincount(labels[holes], minlength=areas.size) / np.maximum(areas, 1)
    return np.asarray((share > 0.5)[labels])


def _attached(figure: cv2.typing.MatLike) -> Mask:
    """Drop what is smaller than a hundredth of the largest part, or than a tenth and far from it."""
    labels, areas = parts(figure)
    if areas.size <= 2:
        return figure > 0
    kept = areas >= max(8, 0.01 * areas.max())
    far = np.flatnonzero(kept & (areas < FAR_PART * areas.max()))
    if far.size:
        reach = np.ones((2 * round(FAR_SHARE * figure.shape[0] / 4) + 1,) * 2, np.uint8)
        large = (areas >= FAR_PART * areas.max())[labels[::4, ::4]]
        near = np.unique(labels[::4, ::4][cv2.dilate(large.astype(np.uint8), reach) > 0])
        kept[np.setdiff1d(far, near)] = False
    return np.asarray(kept[labels])
