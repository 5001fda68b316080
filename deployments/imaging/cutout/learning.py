"""Learn a plain backdrop from a picture: what surely is backdrop, and the surface that it lies on."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Fit, Mask, Plane, length, noise_of, refit, to_lab
from deployments.imaging.cutout.floor import floor_shadow
from deployments.imaging.cutout.silhouette import (
    BACKDROP_SIGMAS,
    from_border,
    slopes,
    soft_light,
    without_grain,
)
from deployments.messages import Pixels

LEAST_BACKDROP = 0.04
LEAST_SLOPE, MOST_SLOPE = 0.5, 0.8
"""Delta E per pixel at the middle size: the backdrop is flatter, by its grain; outlines are steeper."""

_GAP = np.ones((3, 3), np.uint8)
_EDGE = np.ones((5, 5), np.uint8)


def learn(middle: Pixels, fit: Fit) -> tuple[Plane, Mask]:
    """Learn the backdrop's surface (h, w, 3) Lab at the middle size, and where it is surely seen (h, w).

    First it is what lies near the border's fit, connected to the border without crossing an edge, with the
    soft lights in it. From that it is learned again. Only then shadows on the floor are looked for: against
    the first fit, a lit backdrop looks like shadow or its shadow like cloth.
    """
    calm = np.asarray(cv2.bilateralFilter(middle, 5, 5 * fit.noise + 5, 2), np.uint8)
    lab = to_lab(calm)
    surface = np.asarray(cv2.resize(fit.surface, (lab.shape[1], lab.shape[0])), np.float32)
    slope, noise, off = slopes(lab), fit.noise, length(lab - surface)
    grain = float(np.percentile(slope[: max(1, len(slope) // 8) : 2, ::2], 95))
    level = min(max(1.3 * grain, LEAST_SLOPE), MOST_SLOPE)
    for last in (False, True):
        plain = ((off < BACKDROP_SIGMAS * noise) & (slope < level)).astype(np.uint8)
        seen = from_border(cv2.morphologyEx(plain, cv2.MORPH_OPEN, _GAP) > 0)
        sure = ~without_grain(~(seen | soft_light(lab, slope, seen, surface, level)))
        if last:
            sure |= floor_shadow(sure, slope, off, surface, calm, level)
            sure = ~without_grain(~sure)
        sure = cv2.erode(sure.astype(np.uint8), _EDGE, borderValue=1) > 0
        if sure.mean() < LEAST_BACKDROP:
            break
        surface = refit(lab, sure, fine=last)
        off = length(lab - surface)
        noise = noise_of(off[::2, ::3], sure[::2, ::3])
    return surface, sure
