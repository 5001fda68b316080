"""Judge how far a cut-out can be trusted: the error it is expected to have, and what refuses it.

The refusal is a product of ramps, each 0 where its measure says no and 1 where yes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Fit, Mask, Plane, parts
from deployments.imaging.cutout.figure_mask import (
    Evidence,
    Outline,
    cautious,
    eager,
    overlap,
    with_every_sight,
    with_sure_sights,
)

Frame = tuple[int, int, int, int]


@dataclass(frozen=True)
class Measures:
    """Shares are 0..1; `separation` is in units of the backdrop's noise, lengths in silhouette perimeters.

    The `differs` are 1 - IoU with a figure decided otherwise; `faintest` is the tenth percentile of the
    edge's deviation, in Delta E.
    """

    coverage: float
    inliers: float
    fit_error: float
    largest_share: float
    separation: float
    weak_edge: float
    top_leak: float
    roughness: float
    translucency: float
    softness: float
    eager_differs: float
    cautious_differs: float
    sights_differ: float
    faintest: float


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
"""As measured on the pictures of tests/support/known_alpha."""


DOUBTS = (
    ("cautious_differs", 0.17, 0.004),
    ("eager_differs", 0.19, 0.004),
    ("softness", 0.44, 0.01),
    ("faintest", -0.43, 2.0),
    ("coverage", -0.27, 0.02),
)
"""(measure, exponent, what is added to it): least squares on log(1 - IoU) over the tuning pictures."""
SCALE = 0.56
SIGHTS = 0.4
"""Weight of what is neither surely a sight through the figure nor surely cloth: large where it is wrong."""
EXPECTED_ERROR = ((0.0, 0.025, 0.12, 0.5), (1.0, 0.8, 0.5, 0.0))
"""1 - IoU, and the confidence that it means: a cut-out below an IoU of 0.9 is to be below 0.8."""


def confidence(measures: Measures) -> float:
    """Judge a cut-out by the error that it is expected to have, and by what refuses it: 0..1."""
    return float(np.interp(expected_error(measures), *EXPECTED_ERROR)) * judge(vars(measures), RAMPS)


def expected_error(measures: Measures) -> float:
    """Predict 1 - IoU: a product of powers, and what sights through the figure may be mistaken."""
    doubts = vars(measures)
    product: float = math.prod((doubts[name] + more) ** power for name, power, more in DOUBTS)
    return SCALE * product + SIGHTS * measures.sights_differ


def judge(measures: Mapping[str, float], ramps: Ramps) -> float:
    """Return 0..1: the product of all ramps."""
    score = 1.0
    for measure, none, full in ramps:
        score *= min(1.0, max(0.0, (measures[measure] - none) / (full - none)))
    return score


def gather(fit: Fit, figure: Mask, alpha: Plane, evidence: Evidence, picture: Frame) -> Measures:
    """Measure what a cut-out shows of itself, (h, w) in a window of the picture.

    `picture` is the whole picture's height and width, and the window's top and left in it.
    """
    high, wide, top, left = picture
    area = int(np.count_nonzero(figure))
    if not area:
        return Measures(0.0, fit.inliers, fit.error, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.0)
    solid = figure.astype(np.uint8)
    edge = cv2.erode(solid, np.ones((3, 3), np.uint8), borderValue=1) != solid
    off, noise = evidence.calm, evidence.noise
    inside = cv2.dilate(off * solid, np.ones((5, 5), np.uint8))[edge] / noise
    # A chin that does not quite meet its collar is still one figure.
    joined = cv2.dilate(solid[::2, ::2], np.ones((3, 3), np.uint8))
    _, areas = parts(joined)
    # A line may be so thin that the half size has none of it.
    largest, whole = int(areas.max()), max(1, int(areas.sum()))
    perimeter = max(1, int(np.count_nonzero(edge)))

    half = evidence.halved()
    outline = Outline(half)
    decided = outline.solid()
    soft = int(np.count_nonzero((alpha > 0.05) & (alpha < 0.95)))

    upper = round(0.6 * high)
    on_rim = np.count_nonzero(figure[0]) if top == 0 else 0
    on_rim += np.count_nonzero(figure[: upper - top, 0]) if left == 0 else 0
    on_rim += np.count_nonzero(figure[: upper - top, -1]) if left + figure.shape[1] == wide else 0
    return Measures(
        coverage=area / (high * wide),
        inliers=fit.inliers,
        fit_error=fit.error,
        largest_share=largest / whole,
        separation=float(np.median(inside)) if inside.size else 0.0,
        weak_edge=float((inside < 7).mean()) if inside.size else 1.0,
        top_leak=on_rim / (wide + 2 * upper),
        roughness=perimeter / (2 * float(np.sqrt(np.pi * area))),
        translucency=soft / perimeter,
        softness=soft / area,
        eager_differs=1 - overlap(decided, eager(half)),
        cautious_differs=1 - overlap(decided, cautious(half)),
        sights_differ=1 - overlap(with_sure_sights(outline), with_every_sight(outline)),
        faintest=float(np.percentile(inside, 10)) * noise if inside.size else 0.0,
    )
