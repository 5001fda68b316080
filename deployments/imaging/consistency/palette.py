"""Compare two figures by their colours: overall, and those at the top, in the middle and at the bottom.

Poses and sizes hardly change how much of each colour is seen. Another hero has other colours, or has them
elsewhere.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.consistency.figure_view import FigureView

Palettes = NDArray[np.float32]
"""(parts, L, a, b): the share of each colour in each part; the shares of a part sum to 1."""
PARTS = ((0.0, 1.0), (0.0, 0.3), (0.25, 0.6), (0.55, 1.0))
"""The start and end of each part of a figure, as fractions from its top; the first part is all of it."""
BINS = (8, 16, 16)
LOWEST, RANGE = (0.0, -90.0, -90.0), (100.0, 180.0, 180.0)
KERNEL = (0.25, 0.5, 0.25)
"""Neighbouring colours count as alike: paint, light and file formats shift a colour by about a bin."""


def palettes_of(view: FigureView) -> Palettes:
    """Return the palettes of a figure's parts, over CIE Lab."""
    lab = cv2.cvtColor(view.color.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    steps = [
        np.clip((lab[..., n] - LOWEST[n]) / RANGE[n] * BINS[n], 0, BINS[n] - 1).astype(np.intp)
        for n in range(3)
    ]
    places = np.ravel_multi_index(tuple(steps), BINS)
    rows = np.flatnonzero(view.cover.max(axis=1) > 0)
    top, high = int(rows[0]), int(rows[-1] + 1 - rows[0])
    made = []
    for begin, end in PARTS:
        part = np.s_[top + int(begin * high) : top + max(1, round(end * high))]
        weights = view.cover[part].ravel()
        counted = np.bincount(places[part].ravel(), weights, minlength=int(np.prod(BINS)))
        smooth = _smooth(counted.astype(np.float64).reshape(BINS))
        made.append(smooth / max(float(counted.sum()), 1e-6))
    return np.asarray(made, np.float32)


def palette_similarity(ours: Palettes, theirs: Palettes) -> float:
    """Return 0..1: the geometric mean of three similarities.

    They are the intersection of the whole figures' histograms, and the mean and the least of the parts'
    Bhattacharyya coefficients, each the sum of sqrt(p * q).
    """
    common = float(np.minimum(ours[0], theirs[0]).sum())
    parts = np.sqrt(ours[1:] * theirs[1:]).sum(axis=(1, 2, 3))
    return float(np.cbrt(max(0.0, common * float(parts.mean()) * float(parts.min()))))


def _smooth(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Spread each count over its neighbours; nothing leaves the histogram."""
    for axis in range(3):
        padded = np.pad(counts, [(1, 1) if each == axis else (0, 0) for each in range(3)], mode="edge")
        size = counts.shape[axis]
        shifted = [share * np.take(padded, range(n, n + size), axis) for n, share in enumerate(KERNEL)]
        counts = np.sum(shifted, axis=0)
    return counts
