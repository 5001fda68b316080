"""Judge how far a cut-out can be trusted, from its expected error and from measures that refuse it.

The refusal is a product of ramps, each 0 if its measure refuses the cut-out and 1 if it accepts it.
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

    `eager_differs`, `cautious_differs` and `sights_differ` are 1 - IoU with a figure found by other limits;
    `faintest` is the tenth percentile of the edge's deviation, in Delta E.
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
"""Measured on the pictures of tests/support/known_alpha."""


DOUBTS = (
    ("cautious_differs", 0.17, 0.004),
    ("eager_differs", 0.19, 0.004),
    ("softness", 0.44, 0.01),
    ("faintest", -0.43, 2.0),
    ("coverage", -0.27, 0.02),
)
"""(measure, exponent, offset of the measure): least squares on log(1 - IoU) over the tuning pictures."""
SCALE = 0.56
SIGHTS = 0.4
"""Weight of regions that are neither surely gaps in the figure nor surely cloth: errors there are large."""
EXPECTED_ERROR = ((0.0, 0.025, 0.12, 0.5), (1.0, 0.8, 0.5, 0.0))
"""1 - IoU, and the confidence that it gives: a cut-out with an IoU below 0.9 must get less than 0.8."""


def confidence(measures: Measures) -> float:
    """Return a cut-out's confidence, 0..1: from its expected error, times the ramps that refuse it."""
    return float(np.interp(expected_error(measures), *EXPECTED_ERROR)) * judge(vars(measures), RAMPS)


def expected_error(measures: Measures) -> float:
    """Predict 1 - IoU: a product of powers, plus a term for gaps that may have been misjudged."""
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
    """Measure a cut-out, (h, w) in a window of the picture, from its own pixels.

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
    # A chin that does not quite touch its collar still belongs to the same figure.
    joined = cv2.dilate(solid[::2, ::2], np.ones((3, 3), np.uint8))
    _, areas = parts(joined)
    # A line may be so thin that it vanishes at half size.
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
