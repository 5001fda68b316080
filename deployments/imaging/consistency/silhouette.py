"""Compare two figures by their silhouettes, so coarsely that a pose makes little difference."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.consistency.figure_view import FigureView

BLUR_PX = 4.0
ENOUGH = 0.55
"""The overlap at which two silhouettes may be of one figure: poses of one figure have 0.64 and more."""

Outline = NDArray[np.float32]


def outline_of(view: FigureView) -> Outline:
    """Return a figure's cover, blurred, with its centre of mass moved to the view's middle column."""
    middle = float((view.cover.sum(axis=0) * np.arange(view.cover.shape[1])).sum() / view.cover.sum())
    aside = np.array([[1, 0, (view.cover.shape[1] - 1) / 2 - middle], [0, 1, 0]], np.float32)
    moved = cv2.warpAffine(view.cover, aside, view.cover.shape[::-1])
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), BLUR_PX), np.float32)


def outline_similarity(ours: Outline, theirs: Outline) -> float:
    """Return 0..1: 1 if they overlap well enough, as they are or mirrored."""
    overlap = max(_overlap(ours, theirs), _overlap(ours, theirs[:, ::-1]))
    return min(1.0, overlap / ENOUGH)


def _overlap(ours: Outline, theirs: Outline) -> float:
    return float(np.minimum(ours, theirs).sum() / max(float(np.maximum(ours, theirs).sum()), 1e-6))
