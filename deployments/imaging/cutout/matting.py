"""Cut a figure off a plain backdrop: a keyer that learns its backdrop, as one knows a blue screen.

The border band shows the backdrop's surface; floods from the border find what surely lies on it, also in soft
shadow; from that the backdrop is learned again, under the figure too; what deviates from it, or is enclosed
by what deviates, is figure; and in the band between them coverage is solved for.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, fit_border, length, to_lab
from deployments.imaging.cutout.confidence import confidence, gather
from deployments.imaging.cutout.edges import resolve_edges
from deployments.imaging.cutout.enclosure import solid
from deployments.imaging.cutout.evidence import gather_evidence
from deployments.imaging.cutout.learning import LEAST_BACKDROP, learn
from deployments.messages import Pixels

Window = tuple[slice, slice]

SMALL_PX = 128
MIDDLE_PX = 256


@dataclass(frozen=True)
class Cutout:
    """A cut-out figure.

    `foreground` (h, w, 3) RGB without the backdrop's colour; `alpha` (h, w); `confidence` 0..1.
    """

    foreground: Pixels
    alpha: Pixels
    confidence: float

    def rgba(self) -> Pixels:
        """Return the figure (h, w, 4), black elsewhere: a viewer that ignores alpha shows no backdrop."""
        return np.dstack([self.foreground * (self.alpha > 0)[..., None], self.alpha])


def cut_out(pixels: Pixels) -> Cutout:
    """Cut the figure out of (h, w, 3) RGB; of RGBA keep its own alpha.

    The same pixels give the same bytes.
    """
    if pixels.shape[2] == 4:
        return Cutout(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]), 1.0)
    high, wide = pixels.shape[:2]
    fit = fit_border(to_lab(_within(pixels, SMALL_PX)))
    surface, sure = learn(_within(pixels, MIDDLE_PX), fit)
    if sure.mean() < LEAST_BACKDROP:
        return Cutout(pixels, np.zeros((high, wide), np.uint8), 0.0)

    # Beyond the figure's surroundings there is nothing to decide: half the work for most full figures.
    window, middle_window = _surroundings(sure, high, wide)
    seen, surface = pixels[window], surface[middle_window]
    size = (seen.shape[1], seen.shape[0])
    sure = cv2.resize(sure[middle_window].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    backdrop = np.asarray(cv2.resize(_to_rgb(surface), size, interpolation=cv2.INTER_LINEAR), np.float32)
    evidence = gather_evidence(seen, surface, backdrop, sure)
    figure = solid(evidence)
    clean, cover = resolve_edges(seen, backdrop, figure, length(evidence.signed))
    picture = (high, wide, window[0].start, window[1].start)
    trusted = confidence(gather(fit, figure, cover, evidence, picture))

    foreground, alpha = pixels.copy(), np.zeros((high, wide), np.uint8)
    foreground[window], alpha[window] = clean, np.rint(cover * 255).astype(np.uint8)
    return Cutout(foreground, alpha, trusted)


def _surroundings(sure: Mask, high: int, wide: int) -> tuple[Window, Window]:
    """Find what is not surely backdrop, as a window of the full size (high, wide) and of that of `sure`."""
    x, y, across, down = cv2.boundingRect((~sure).astype(np.uint8))
    x, y, right, bottom = max(0, x - 3), max(0, y - 3), x + across + 3, y + down + 3
    right, bottom = min(right, sure.shape[1]), min(bottom, sure.shape[0])
    scale_x, scale_y = wide / sure.shape[1], high / sure.shape[0]
    full = np.s_[round(y * scale_y) : round(bottom * scale_y), round(x * scale_x) : round(right * scale_x)]
    return full, np.s_[y:bottom, x:right]


def _to_rgb(lab: Plane) -> Plane:
    return np.asarray(255 * cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.float32)


def _within(pixels: Pixels, longest_px: int) -> Pixels:
    scale = min(1.0, longest_px / max(pixels.shape[:2]))
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
