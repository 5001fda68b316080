"""How far a cut-out can be trusted: a product of ramps, each 0 where its measure says no and 1 where yes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.backdrop import Fit, Mask, Plane


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


RAMPS: tuple[tuple[str, float, float], ...] = (
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
"""(measure, value that means 0, value that means 1), as measured on the pictures of bench/known_alpha."""


def confidence(evidence: Evidence) -> float:
    """0..1."""
    score = 1.0
    for measure, none, full in RAMPS:
        score *= min(1.0, max(0.0, (getattr(evidence, measure) - none) / (full - none)))
    return score


def gather(fit: Fit, figure: Mask, alpha: Plane, off: Plane, noise: float) -> Evidence:
    """What a cut-out shows of itself: `figure` and `alpha` (h, w), `off` (h, w) the distance to the backdrop."""
    area = int(figure.sum())
    if not area:
        return Evidence(0.0, fit.inliers, fit.error, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
    solid = figure.astype(np.uint8)
    edge = cv2.erode(solid, np.ones((3, 3), np.uint8), borderValue=1) != solid
    inside = cv2.dilate(off * solid, np.ones((5, 5), np.uint8))[edge] / noise
    # A chin that does not quite meet its collar is still one figure.
    joined = cv2.dilate(solid, np.ones((7, 7), np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    upper = max(1, round(0.6 * figure.shape[0]))
    rim = np.concatenate([figure[0], figure[:upper, 0], figure[:upper, -1]])
    perimeter = max(1, int(edge.sum()))
    return Evidence(
        coverage=area / figure.size,
        inliers=fit.inliers,
        fit_error=fit.error,
        largest_share=int(stats[1:, cv2.CC_STAT_AREA].max()) / int(joined.sum()),
        separation=float(np.median(inside)) if inside.size else 0.0,
        weak_edge=float((inside < 7).mean()) if inside.size else 1.0,
        top_leak=float(rim.mean()),
        roughness=perimeter / (2 * float(np.sqrt(np.pi * area))),
        translucency=float(((alpha > 0.05) & (alpha < 0.95)).sum()) / perimeter,
    )
