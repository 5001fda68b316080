"""How far a cut-out can be trusted: a product of ramps, each 0 where its measure says no and 1 where yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Fit, Mask, Plane

Frame = tuple[int, int, int, int]


@dataclass(frozen=True)
class Evidence:
    """Shares are 0..1; `separation` is in units of the backdrop's noise, lengths in silhouette perimeters."""

    coverage: float
    inliers: float
    fit_error: float
    largest_share: float
    separation: float
    weak_edge: float
    top_leak: float
    roughness: float
    translucency: float


Ramps = tuple[tuple[str, float, float], ...]
"""(measure, value that means 0, value that means 1)"""

RAMPS: Ramps = (
    ("coverage", 0.03, 0.07),
    ("coverage", 0.88, 0.72),
    ("inliers", 0.45, 0.75),
    ("fit_error", 14, 7),
    ("largest_share", 0.6, 0.9),
    ("separation", 3.5, 7),
    ("weak_edge", 0.5, 0.2),
    ("top_leak", 0.45, 0.2),
    ("roughness", 9, 5.5),
    ("translucency", 6, 3.5),
)
"""As measured on the pictures of bench/known_alpha."""


def confidence(evidence: Evidence) -> float:
    """0..1."""
    return judge(asdict(evidence), RAMPS)


def judge(measures: Mapping[str, float], ramps: Ramps) -> float:
    """0..1: the product of all ramps."""
    score = 1.0
    for measure, none, full in ramps:
        score *= min(1.0, max(0.0, (measures[measure] - none) / (full - none)))
    return score


def gather(fit: Fit, figure: Mask, alpha: Plane, off: Plane, noise: float, picture: Frame) -> Evidence:
    """What a cut-out shows of itself, (h, w) in a window of the picture; `off` is Delta E off the backdrop.

    `picture` is the whole picture's height and width, and the window's top and left in it.
    """
    high, wide, top, left = picture
    area = int(np.count_nonzero(figure))
    if not area:
        return Evidence(0.0, fit.inliers, fit.error, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    solid = figure.astype(np.uint8)
    edge = cv2.erode(solid, np.ones((3, 3), np.uint8), borderValue=1) != solid
    inside = cv2.dilate(off * solid, np.ones((5, 5), np.uint8))[edge] / noise
    # A chin that does not quite meet its collar is still one figure.
    joined = cv2.dilate(solid[::2, ::2], np.ones((3, 3), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    # A line may be so thin that the half size has none of it.
    largest, whole = int(stats[1:, cv2.CC_STAT_AREA].max(initial=0)), max(1, int(joined.sum()))
    perimeter = max(1, int(np.count_nonzero(edge)))

    upper = round(0.6 * high)
    on_rim = np.count_nonzero(figure[0]) if top == 0 else 0
    on_rim += np.count_nonzero(figure[: upper - top, 0]) if left == 0 else 0
    on_rim += np.count_nonzero(figure[: upper - top, -1]) if left + figure.shape[1] == wide else 0
    return Evidence(
        coverage=area / (high * wide),
        inliers=fit.inliers,
        fit_error=fit.error,
        largest_share=largest / whole,
        separation=float(np.median(inside)) if inside.size else 0.0,
        weak_edge=float((inside < 7).mean()) if inside.size else 1.0,
        top_leak=on_rim / (wide + 2 * upper),
        roughness=perimeter / (2 * float(np.sqrt(np.pi * area))),
        translucency=int(np.count_nonzero((alpha > 0.05) & (alpha < 0.95))) / perimeter,
    )
