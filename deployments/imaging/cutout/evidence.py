"""Gather what sets a figure apart from its backdrop at the full size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.cutout.backdrop import Mask, Plane, length, noise_of
from deployments.imaging.cutout.floor import FEET_FROM, KNEES_FROM, feet_rows, like_shadow
from deployments.messages import Pixels

LIGHT_VARIES = 3.0
"""Delta E a channel that the light behind a figure may be off what was learned."""
FIGURE_SIGMAS = 4.2
BLEEDING = 0.15
"""A share of the strongest deviation within four pixels: less may be its colour, smeared by JPEG or model."""

PALE = 20.0
"""Delta E: what is farther off the backdrop is no smear of another colour."""
ABOVE_SOLES = 0.5
"""A share of a dark part's area: with as much above the soles it is no ground."""

_NEAR = np.ones((9, 9), np.uint8)
_LARGE = np.ones((5, 5), np.uint8)
_BESIDE = np.ones((11, 11), np.uint8)


@dataclass(frozen=True)
class Evidence:
    """The evidence in a window (h, w) of the picture: how far each pixel is from the backdrop.

    `sigmas` is in units of the backdrop's noise; `signed` (h, w, 3) in Lab, of the picture without its grain;
    `calm` its length after a blur, and `noise` its sigma on the backdrop, in Delta E; `shaded` is what may be
    the backdrop in another light.
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
    # Either alone is not enough: hairs drown in the blur, pale clothes in the grain.
    sigmas = np.asarray(cv2.max(off * (1 / noise), calm * (1 / noise_of(calm[thin], sure[thin]))), np.float32)
    sigmas[_bleeding(off, sigmas)] *= 0.5
    # Shadow is looked for below the knees; elsewhere only what differs little from the backdrop.
    light, *hue = (np.abs(channel) for channel in cv2.split(signed))
    shaded = np.asarray(cv2.max(cv2.max(light, hue[0]), hue[1]) < LIGHT_VARIES)
    knees, feet = feet_rows(~sure, KNEES_FROM, FEET_FROM)
    if knees is not None and feet is not None:
        shadow = like_shadow(quiet[knees:], backdrop[knees:])
        shaded[knees:] |= shadow
        sigmas[knees:][_under_soles(shadow & (sigmas[knees:] > FIGURE_SIGMAS), feet - knees)] = 0
    return Evidence(sigmas, signed, calm, noise, shaded)


def _under_soles(shadow: Mask, feet: int) -> Mask:
    """Find the ground right under the soles, in a shadow that no backdrop shows: parts of `shadow` (h, w).

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
    """Find where (h, w) a little colour of something strong near by is smeared over the backdrop."""
    strongest = cv2.dilate(off, _NEAR)
    pale = (sigmas > FIGURE_SIGMAS) & (off < PALE)
    weak = pale & (off < BLEEDING * strongest)
    # What is large is no smear, nor what is beside it: a pale shirt under a black belt.
    large = cv2.morphologyEx(weak.astype(np.uint8), cv2.MORPH_OPEN, _LARGE)
    cloth = cv2.morphologyEx((pale & ~weak).astype(np.uint8), cv2.MORPH_OPEN, _LARGE)
    return np.asarray(weak & (large == 0) & (cv2.dilate(cloth, _BESIDE) == 0))


def _coded(surface: Plane, size: tuple[int, int]) -> Plane:
    """Return Lab (height, width, 3) of the backdrop, in the units of 8-bit Lab."""
    coded = surface * np.array((2.55, 1, 1), np.float32) + np.array((0, 128, 128), np.float32)
    return np.asarray(cv2.resize(coded, (size[1], size[0]), interpolation=cv2.INTER_LINEAR), np.float32)


def _deviation(pixels: Pixels, behind: Plane) -> Plane:
    """Return (h, w, 3) Lab: pixels less the coded backdrop; in steps of 0.4 and 1, for 8-bit Lab is quick."""
    off = np.asarray(
        cv2.subtract(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB), behind, dtype=cv2.CV_32F), np.float32
    )
    off[..., 0] *= 1 / 2.55
    return off
