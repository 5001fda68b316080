"""Cutting a figure off a plain backdrop: a keyer that learns its backdrop, as one knows a blue screen.

The border band tells the backdrop's surface; floods from the border find what surely lies on it, also in soft
shadow; from that the backdrop is learned again, under the figure too; what deviates from it, or is enclosed by
what deviates, is figure; and in the band between them coverage is solved for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.backdrop import SMALLEST_NOISE, Fit, Mask, Plane, fit_border, refit, to_lab
from deployments.imaging.confidence import confidence, gather
from deployments.imaging.edges import resolve_edges
from deployments.imaging.silhouette import distance, solid, sure_backdrop
from deployments.messages import Pixels

SMALL_PX = 128
MIDDLE_PX = 256
FIGURE_SIGMAS = 4.2
LEAST_BACKDROP = 0.04
CHI3_MEDIAN = 1.538
"""Median length of a vector of three standard normals: turns a median Delta E into a sigma per channel."""


@dataclass(frozen=True)
class Cutout:
    """`foreground` (h, w, 3) RGB without the backdrop's colour; `alpha` (h, w); `confidence` 0..1."""

    foreground: Pixels
    alpha: Pixels
    confidence: float


def cut_out(pixels: Pixels) -> Cutout:
    """The figure of (h, w, 3) RGB; of RGBA its own alpha, as it came. The same pixels give the same bytes."""
    if pixels.shape[2] == 4:
        return Cutout(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]), 1.0)
    high, wide = pixels.shape[:2]
    small, middle = _within(pixels, SMALL_PX), _within(pixels, MIDDLE_PX)
    fit = fit_border(to_lab(small))
    surface, sure = _learn(to_lab(middle), middle, fit)
    if sure.mean() < LEAST_BACKDROP:
        return Cutout(pixels, np.zeros((high, wide), np.uint8), 0.0)

    surface_full = cv2.resize(surface, (wide, high), interpolation=cv2.INTER_LINEAR)
    sure_full = cv2.resize(sure.astype(np.uint8), (wide, high), interpolation=cv2.INTER_NEAREST) > 0
    signed = to_lab(pixels) - surface_full
    off = _length(signed)
    calm = _length(cv2.GaussianBlur(signed, (3, 3), 0))
    noise = _noise(off[sure_full])
    # Either alone is not enough: hairs drown in the blur, pale clothes in the grain.
    evident = np.maximum(off / noise, calm / _noise(calm[sure_full]))
    figure = solid(evident, signed, FIGURE_SIGMAS)
    backdrop = cv2.resize(_to_rgb(surface), (wide, high), interpolation=cv2.INTER_LINEAR)
    foreground, alpha = resolve_edges(pixels, backdrop, figure, off)
    trusted = confidence(gather(fit, figure, alpha, calm, noise))
    return Cutout(foreground, np.rint(alpha * 255).astype(np.uint8), trusted)


def _learn(lab: Plane, rgb: Pixels, fit: Fit) -> tuple[Plane, Mask]:
    """The backdrop's surface (h, w, 3) Lab, and where it is surely seen (h, w): guessed, refitted, guessed again."""
    surface = cv2.resize(fit.surface, (lab.shape[1], lab.shape[0]), interpolation=cv2.INTER_LINEAR)
    noise = fit.noise
    for _ in range(2):
        sure = sure_backdrop(lab, surface, noise, rgb)
        away = cv2.erode(sure.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1) > 0
        if away.mean() < LEAST_BACKDROP:
            return surface, away
        surface = refit(lab, away)
        noise = _noise(distance(lab, surface)[away])
    return surface, away


def _noise(off: Plane) -> float:
    return max(SMALLEST_NOISE, float(np.median(off)) / CHI3_MEDIAN)


def _length(vectors: Plane) -> Plane:
    return np.asarray(np.sqrt(np.einsum("ijk,ijk->ij", vectors, vectors)), np.float32)


def _to_rgb(lab: Plane) -> Plane:
    return np.asarray(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32)


def _within(pixels: Pixels, longest_px: int) -> Pixels:
    scale = min(1.0, longest_px / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
