"""Find the figure: all that differs from its backdrop at full size, and all that its outline encloses.

Gaps through it, such as the one inside a bent arm, and parts that are not attached are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.cutout.backdrop import Labels, Mask, Plane, length, noise_of, parts
from deployments.imaging.cutout.sure_backdrop import (
    FEET_FROM,
    KNEES_FROM,
    feet_rows,
    from_border,
    like_shadow,
)
from deployments.messages import Pixels

LIGHT_VARIES = 3.0
"""Delta E per channel by which the light behind a figure may differ from the learned backdrop."""
FIGURE_SIGMAS = 4.2
BLEEDING = 0.15
"""A share of the strongest deviation within four pixels: less may be colour smeared by JPEG or the model."""

PALE = 20.0
"""Delta E from the backdrop above which a pixel is no smear of another colour."""
ABOVE_SOLES = 0.5
"""A share of a dark part's area: a part with this much above the soles is not ground."""

_NEAR = np.ones((9, 9), np.uint8)
_LARGE = np.ones((5, 5), np.uint8)
_BESIDE = np.ones((11, 11), np.uint8)
HOLE_RESIDUAL = 1.45
"""Delta E of a whole region, below which it is the backdrop seen inside a bent arm."""
LIGHT_WEIGHT = 0.45
"""Weight of lightness against hue: behind a figure the light varies, the hue does not."""
SMALLEST_HOLE_PX = 14
FAR_PART = 0.1
"""A share of the largest part: a smaller part that is far from it does not belong to the figure."""
FAR_SHARE = 0.03
"""A share of the picture's height: a part at least this distant is far."""
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Evidence:
    """The evidence in a window (h, w) of the picture: how far each pixel is from the backdrop.

    `sigmas` is in units of the backdrop's noise. `signed` (h, w, 3) is the deviation in Lab, of the picture
    without its grain; `calm` is its length after a blur, and `noise` its sigma on the backdrop, in Delta E.
    `shaded` marks what may be the backdrop in another light.
    """

    sigmas: Plane
    signed: Plane
    calm: Plane
    noise: float
    shaded: Mask

    def halved(self) -> Evidence:
        """Leave out every second row and column."""
        half = np.s_[::2, ::2]
        sigmas, signed, calm = (
            np.ascontiguousarray(of[half]) for of in (self.sigmas, self.signed, self.calm)
        )
        return Evidence(sigmas, signed, calm, self.noise, self.shaded[half])


def gather_evidence(seen: Pixels, surface: Plane, backdrop: Plane, sure: Mask) -> Evidence:
    """Compare `seen` (h, w, 3) RGB with its backdrop: `surface` is Lab at any size, `backdrop` RGB.

    `sure` (h, w) is where the backdrop is surely seen: its grain is measured there.
    """
    behind = _coded(surface, seen.shape[:2])
    thin = np.s_[::2, ::3]
    grain = noise_of(length(_deviation(np.ascontiguousarray(seen[thin]), behind[thin])), sure[thin])
    quiet = np.asarray(cv2.bilateralFilter(seen, 5, 6 * grain + 4, 2), np.uint8)
    signed = _deviation(quiet, behind)
    off, calm = length(signed), length(cv2.GaussianBlur(signed, (3, 3), 0))
    noise = noise_of(off[thin], sure[thin])
    # Neither alone is enough: hairs are lost in the blur, pale clothes in the grain.
    sigmas = np.asarray(cv2.max(off * (1 / noise), calm * (1 / noise_of(calm[thin], sure[thin]))), np.float32)
    sigmas[_bleeding(off, sigmas)] *= 0.5
    # Shadows are searched for below the knees; elsewhere only small deviations count as shaded.
    light, *hue = (np.abs(channel) for channel in cv2.split(signed))
    shaded = np.asarray(cv2.max(cv2.max(light, hue[0]), hue[1]) < LIGHT_VARIES)
    knees, feet = feet_rows(~sure, KNEES_FROM, FEET_FROM)
    if knees is not None and feet is not None:
        shadow = like_shadow(quiet[knees:], backdrop[knees:])
        shaded[knees:] |= shadow
        sigmas[knees:][_under_soles(shadow & (sigmas[knees:] > FIGURE_SIGMAS), feet - knees)] = 0
    return Evidence(sigmas, signed, calm, noise, shaded)


def _under_soles(shadow: Mask, feet: int) -> Mask:
    """Find which parts of `shadow` (h, w) are ground right under the soles, though unlike the backdrop.

    A part that reaches well above the row `feet` is a gown's hem or trousers.
    """
    count, labels = cv2.connectedComponents(shadow.astype(np.uint8), connectivity=4)
    above = np.bincount(labels[:feet].ravel(), minlength=count)
    under = above < ABOVE_SOLES * np.bincount(labels.ravel(), minlength=count)
    under[0] = False
    found = under[labels]
    found[:feet] = False
    return np.asarray(found)


def _bleeding(off: Plane, sigmas: Plane) -> Mask:
    """Find where (h, w) a little of a strong colour nearby is smeared over the backdrop."""
    strongest = cv2.dilate(off, _NEAR)
    pale = (sigmas > FIGURE_SIGMAS) & (off < PALE)
    weak = pale & (off < BLEEDING * strongest)
    # A large part is no smear, nor is one beside cloth, such as a pale shirt under a black belt.
    large = cv2.morphologyEx(weak.astype(np.uint8), cv2.MORPH_OPEN, _LARGE)
    cloth = cv2.morphologyEx((pale & ~weak).astype(np.uint8), cv2.MORPH_OPEN, _LARGE)
    return np.asarray(weak & (large == 0) & (cv2.dilate(cloth, _BESIDE) == 0))


def _coded(surface: Plane, size: tuple[int, int]) -> Plane:
    """Return Lab (height, width, 3) of the backdrop, in the units of 8-bit Lab."""
    coded = surface * np.array((2.55, 1, 1), np.float32) + np.array((0, 128, 128), np.float32)
    return np.asarray(cv2.resize(coded, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _deviation(pixels: Pixels, behind: Plane) -> Plane:
    """Return (h, w, 3) Lab: pixels minus the coded backdrop, in steps of 0.4 and 1: 8-bit Lab is fast."""
    off = np.asarray(
        cv2.subtract(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), behind, dtype=cv2.CV_32F), np.float32
    )
    off[..., 0] *= 1 / 2.55
    return off


class Outline:
    """Hold the pixels of some evidence beyond `sigmas`, and the regions that they enclose; (h, w) each."""

    def __init__(self, evidence: Evidence, sigmas: float = FIGURE_SIGMAS) -> None:
        evident = evidence.sigmas > sigmas
        closed = cv2.morphologyEx(evident.astype(np.uint8), cv2.MORPH_CLOSE, _SQUARE)
        outside = from_border(closed == 0)
        closed[~outside] = 1
        enclosed = ~(evident | outside)
        self._shaded = evidence.shaded & ~outside
        self._closed = closed
        self._labels, self._off, self._areas = _regions(enclosed, evidence.signed)
        self._figures: dict[bytes, Mask] = {}

    def solid(self, residual: float = HOLE_RESIDUAL) -> Mask:
        """Find the figure: all of the outline, and all that it encloses.

        An enclosed region stays open only if its mean deviation is below `residual`: the gap inside a bent
        arm, but not a white coat inside its dark outline.
        """
        opened = (self._off < residual) & (self._areas >= SMALLEST_HOLE_PX)
        which = opened.tobytes()
        if which not in self._figures:
            figure = self._closed
            if opened.any():
                figure = figure.copy()
                figure[_extended(np.asarray(opened[self._labels]), self._shaded)] = 0
            self._figures[which] = _attached(figure)
        return self._figures[which]


def solid(evidence: Evidence, sigmas: float = FIGURE_SIGMAS) -> Mask:
    """Find the figure (h, w): all beyond `sigmas`, and all that its outline encloses."""
    return Outline(evidence, sigmas).solid()


def eager(evidence: Evidence) -> Mask:
    """Find the figure, including all that differs even a little from the backdrop."""
    return solid(evidence, 0.6 * FIGURE_SIGMAS)


def cautious(evidence: Evidence) -> Mask:
    """Find the figure, without what differs only a little from the backdrop."""
    return solid(evidence, 1.7 * FIGURE_SIGMAS)


def with_sure_sights(outline: Outline) -> Mask:
    """Find the figure, with only the sure gaps through it left open."""
    return outline.solid(0.6 * HOLE_RESIDUAL)


def with_every_sight(outline: Outline) -> Mask:
    """Find the figure, with every possible gap through it left open."""
    return outline.solid(2 * HOLE_RESIDUAL)


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection of two masks over their union: 0..1."""
    return int(np.count_nonzero(one & other)) / max(1, int(np.count_nonzero(one | other)))


def _regions(enclosed: Mask, signed: Plane) -> tuple[Labels, NDArray[np.float64], NDArray[np.int64]]:
    """Label the connected regions of `enclosed` (h, w): labels, each one's mean deviation, and its area."""
    if not enclosed.any():
        return np.zeros(enclosed.shape, np.int32), np.zeros(1), np.zeros(1, np.int64)
    labels, areas = parts(enclosed, 4)
    within = labels[enclosed]
    mean = [
        np.bincount(within, signed[..., c][enclosed], areas.size) / np.maximum(areas, 1) for c in range(3)
    ]
    return labels, np.sqrt((LIGHT_WEIGHT * mean[0]) ** 2 + mean[1] ** 2 + mean[2] ** 2), areas


def _extended(holes: Mask, shaded: Mask) -> Mask:
    """Extend `holes` (h, w) over `shaded` backdrop beside them, such as the shadow between two feet."""
    alike = (cv2.morphologyEx((shaded | holes).astype(np.uint8), cv2.MORPH_OPEN, _SQUARE) > 0) | holes
    labels, areas = parts(alike, 4)
    share = np.bincount(labels[holes], minlength=areas.size) / np.maximum(areas, 1)
    return np.asarray((share > 0.5)[labels])


def _attached(figure: cv2.typing.MatLike) -> Mask:
    """Drop parts smaller than a hundredth of the largest, and those smaller than a tenth and far from it."""
    labels, areas = parts(figure)
    if areas.size <= 2:
        return figure > 0
    kept = areas >= max(8, 0.01 * areas.max())
    far = np.flatnonzero(kept & (areas < FAR_PART * areas.max()))
    if far.size:
        reach = np.ones((2 * round(FAR_SHARE * figure.shape[0] / 4) + 1,) * 2, np.uint8)
        large = (areas >= FAR_PART * areas.max())[labels[::4, ::4]]
        near = np.unique(labels[::4, ::4][cv2.dilate(large.astype(np.uint8), reach) > 0])
        kept[np.setdiff1d(far, near)] = False
    return np.asarray(kept[labels])
