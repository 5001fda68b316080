"""Fit a smooth surface to the plain backdrop behind a figure, from pixels that are surely not the figure.

Colours are CIE Lab, float32, as OpenCV gives them for RGB in 0..1 (L 0..100); distances are Delta E 1976.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.messages import Pixels

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

SMALLEST_NOISE = 1.0
"""Delta E below which a deviation is rounding, not a figure."""
IRLS_ROUNDS = 6
CHI3_MEDIAN = 1.538
"""Median length of a vector of three standard normals: turns a median Delta E into a sigma per channel."""


@dataclass(frozen=True)
class Fit:
    """A fitted backdrop.

    `surface` is (h, w, 3) Lab; `inliers` is the share of the border that lies on it, 0..1; `error` and
    `noise` are in Delta E.
    """

    surface: Plane
    inliers: float
    error: float
    noise: float


def length(vectors: cv2.typing.MatLike) -> Plane:
    """Return (h, w): the Euclidean length of each of (h, w, 3)."""
    squares = cv2.transform(cv2.multiply(vectors, vectors), np.ones((1, 3), np.float32))
    return np.asarray(cv2.sqrt(squares), np.float32)


def parts(mask: Mask | cv2.typing.MatLike, connectivity: int = 8) -> tuple[Labels, NDArray[np.int64]]:
    """Label the connected parts of a mask; return labels (h, w), 0 outside the mask, and each label's area.

    The area of label 0 is set to 0. OpenCV's own statistics take three times as long.
    """
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=connectivity)
    areas = np.bincount(labels.ravel(), minlength=count)
    areas[0] = 0
    return np.asarray(labels, np.int32), areas


def to_lab(pixels: Pixels | Plane) -> Plane:
    """Convert (h, w, 3) RGB, 0..255, to Lab."""
    scaled = np.multiply(pixels[..., :3], np.float32(1 / 255), dtype=np.float32)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB), np.float32)


def noise_of(off: Plane, sure: Mask) -> float:
    """Return sigma per channel on the sure backdrop; `off` and `sure` (h, w)."""
    seen = off[sure][::2]
    return max(SMALLEST_NOISE, float(np.median(seen)) / CHI3_MEDIAN) if seen.size else SMALLEST_NOISE


def fit_border(lab: Plane) -> Fit:
    """Fit a quadratic to the border band, by reweighted least squares with Geman-McClure weights.

    The bottom and the lower sides count for less, since figures touch the edge there. Robust weights as in
    Holland & Welsch, "Robust regression using iteratively reweighted least-squares" (1977).
    """
    high, wide = lab.shape[:2]
    band = max(2, round(0.045 * high))
    terms = _terms(high, wide, degree=2)
    trust = np.zeros((high, wide), np.float32)
    trust[:, :band] = trust[:, -band:] = np.linspace(1, 0.35, high, dtype=np.float32)[:, None]
    trust[-band:] = 0.15
    trust[:band] = 1
    trust[1::2, ::2] = trust[::2, 1::2] = 0  # half the pixels of so narrow a band say as much
    near = trust > 0
    x, y, spatial = (
        terms[near].astype(np.float64),
        lab[near].astype(np.float64),
        trust[near].astype(np.float64),
    )

    middle = np.array([_weighted_median(y[:, channel], spatial) for channel in range(3)])
    distance = np.linalg.norm(y - middle, axis=1)
    scale = 20.0  # wide at first: a vignette is far from the median, a figure farther
    solution = np.zeros((x.shape[1], 3))
    for _ in range(IRLS_ROUNDS):
        weights = spatial / (1 + (distance / scale) ** 2) ** 2
        weighted = x * weights[:, None]
        solution = np.linalg.solve(weighted.T @ x + 1e-6 * np.eye(x.shape[1]), weighted.T @ y)
        distance = np.linalg.norm(y - x @ solution, axis=1)
        scale = max(2.0, 0.6 * scale)
    close = distance < 6
    noise = 1.05 * _weighted_median(distance[close], spatial[close]) if close.any() else 6.0
    return Fit(
        (terms.reshape(-1, terms.shape[2]) @ solution).reshape(lab.shape).astype(np.float32),
        float(spatial[distance < max(4.0, 4 * noise)].sum() / spatial.sum()),
        float((spatial * np.minimum(distance, 40)).sum() / spatial.sum()),
        max(SMALLEST_NOISE, float(noise)),
    )


def refit(lab: Plane, sure: Mask, fine: bool) -> Plane:
    """Fit the backdrop (h, w, 3) to all that is surely backdrop: a cubic, plus the smoothed residual.

    The residual (shadows, spots of light) is spread by normalised convolution, narrowly where sure backdrop
    is near and widely where it is not (Knutsson & Westin, "Normalized convolution", 1993).
    """
    high, wide = lab.shape[:2]
    terms = _terms(high, wide, degree=3)
    thin = np.s_[::3, ::3]
    x, y = terms[thin][sure[thin]], lab[thin][sure[thin]]
    solution = np.linalg.solve(x.T @ x + 1e-3 * np.eye(x.shape[1], dtype=np.float32), x.T @ y)
    surface = (terms.reshape(-1, terms.shape[2]) @ solution).reshape(lab.shape)

    known = sure.astype(np.float32)
    left = cv2.merge([*cv2.split((lab - surface) * known[..., None]), known])
    coarse = cv2.resize(left, ((wide + 3) // 4, (high + 3) // 4), interpolation=cv2.INTER_AREA)
    field: cv2.typing.MatLike = np.zeros((*coarse.shape[:2], 3), np.float32)
    for reach in (0.3, 0.1, 0.04):
        field = _spread(coarse, field, int(reach * coarse.shape[0]) | 1)
    field = cv2.resize(field, (wide, high), interpolation=cv2.INTER_LINEAR)
    return surface + (_spread(left, field, int(0.012 * high) | 1) if fine else field)


def _spread(left: cv2.typing.MatLike, field: cv2.typing.MatLike, size_px: int) -> Plane:
    """Return the local mean of `left` (premultiplied by its channel 3) where there is one, else `field`.

    It reaches twice as far sideways as up, since the light on a floor changes less sideways.
    """
    blurred = cv2.blur(left, (size_px, max(3, (size_px // 2) | 1)))
    weight = blurred[..., 3:]
    mean = blurred[..., :3] / np.maximum(weight, 1e-4)
    return np.asarray(field + (mean - field) * np.minimum(weight * 8, 1), np.float32)


@lru_cache(maxsize=16)
def _terms(high: int, wide: int, degree: int) -> Plane:
    """Return (high, wide, terms): every x^i y^j with i + j <= degree, x and y in -1..1."""
    x, y = np.meshgrid(np.linspace(-1, 1, wide), np.linspace(-1, 1, high))
    powers = [x**i * y**j for i in range(degree + 1) for j in range(degree + 1 - i)]
    return np.stack(powers, 2).astype(np.float32)


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(running, running[-1] / 2)]])
