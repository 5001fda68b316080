"""Measure the obvious flaws of a cut-out: chips around it, pale rims, and missing parts."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.matting import Cutout
from deployments.messages import Pixels

Mask = NDArray[np.bool_]

SEEN = 64
"""The alpha from which a chip is visible."""
CHIP_SHARE = 0.001
"""The share of the figure's area below which a component is a chip."""
LIGHTER_BY = 14.0
"""By how many levels of luma a pale rim pixel exceeds both the figure inside and the backdrop outside."""
RIM_SHARE = 0.02
"""The share of the rim's pixels below which light ones count as grain, or as a tooth."""
LOST_SHARE = 0.01
"""The share of the whole figure's area below which a missing part counts as an edge."""


@dataclass(frozen=True)
class Flaws:
    """`chips` is a count, `pale_rim` a share of the rim, `lost` the share of the largest missing part."""

    chips: int
    pale_rim: float
    lost: float

    @property
    def chipped(self) -> bool:
        return self.chips > 0 or self.pale_rim > RIM_SHARE

    @property
    def clean(self) -> bool:
        return not self.chipped and self.lost <= LOST_SHARE


def flaws(cutout: Cutout, painted: Pixels, whole: Mask, slack_px: int = 2) -> Flaws:
    """Compare a cut-out of `painted` (h, w, 3) with the `whole` figure (h, w), give or take `slack_px`."""
    return Flaws(chips(cutout.alpha), pale_rim(cutout, painted), lost_part(cutout.alpha, whole, slack_px))


def chips(alpha: Pixels) -> int:
    """Count the components of `alpha` (h, w) that are smaller than a thousandth of the figure."""
    _, _, stats, _ = cv2.connectedComponentsWithStats((alpha >= SEEN).astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    return int(np.count_nonzero(areas < CHIP_SHARE * areas.sum()))


def pale_rim(cutout: Cutout, painted: Pixels) -> float:
    """Return the share of the one-pixel-wide rim that is lighter than the figure and the backdrop beside it.

    The figure is sampled three to five pixels inside, the backdrop as far outside in `painted` (h, w, 3).
    """
    solid = (cutout.alpha >= 128).astype(np.uint8)
    inside, outside = _shrunk(solid, 2), _shrunk(1 - solid, 3)
    rim = (solid > 0) & (_shrunk(solid, 1) == 0)
    light = _luma(cutout.foreground)
    deep, has_deep = _mean_near(light, inside)
    behind, has_behind = _mean_near(_luma(painted), outside)
    judged = rim & has_deep & has_behind
    if not judged.any():
        return 0.0
    pale = judged & (light > np.maximum(deep, behind) + LIGHTER_BY)
    return int(np.count_nonzero(pale)) / int(np.count_nonzero(judged))


def lost_part(alpha: Pixels, whole: Mask, slack_px: int = 2) -> float:
    """Measure the largest part of `whole` (h, w) that is missing in `alpha` (h, w), as a share of `whole`.

    An area within `slack_px` of the cut-out, or thinner than five pixels, does not count.
    """
    near = cv2.dilate((alpha >= 128).astype(np.uint8), np.ones((2 * slack_px + 1,) * 2, np.uint8))
    missing = cv2.morphologyEx(
        (whole & (near == 0)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)
    )
    _, _, stats, _ = cv2.connectedComponentsWithStats(missing, connectivity=8)
    largest = int(stats[1:, cv2.CC_STAT_AREA].max(initial=0))
    return largest / max(1, int(np.count_nonzero(whole)))


def _shrunk(mask: Pixels, by_px: int) -> Pixels:
    kernel = np.ones((2 * by_px + 1,) * 2, np.uint8)
    return np.asarray(cv2.erode(mask, kernel, borderValue=1), np.uint8)


def _mean_near(light: NDArray[np.float32], mask: Pixels) -> tuple[NDArray[np.float32], Mask]:
    """Return the mean of `light` (h, w) over the `mask` within four pixels, and where it is defined."""
    weight = cv2.blur(mask.astype(np.float32), (9, 9))
    total = cv2.blur(light * mask, (9, 9))
    return np.asarray(total / np.maximum(weight, 1e-6), np.float32), np.asarray(weight > 0.01)


def _luma(pixels: Pixels) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.float32)
