"""Light a figure to match its place: move its colours towards those behind it, and cast its contact shadow.

The colour curves never clip. The shadow is dark where the feet touch the ground, and fades within a foot's
length.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from deployments.imaging.composite.pasting import Box
from deployments.messages import Pixels

Vector = NDArray[np.float64]

LIGHTNESS_WEIGHT = 0.8
DARKEST_SHIFT, BRIGHTEST_SHIFT = -16.0, 12.0
LONGEST_TINT = 16.0
STEP_PX = 5
"""Mean colours are taken from every fifth pixel across and down."""
OPAQUE = 230
MOST_CLIPPED = 0.01
LINEAR_STEPS = np.arange(256) / 255
LINEAR = np.where(LINEAR_STEPS <= 0.04045, LINEAR_STEPS / 12.92, ((LINEAR_STEPS + 0.055) / 1.055) ** 2.4)
"""Linear light of each 8-bit level (IEC 61966-2-1)."""
FEET_SHARE = 0.05
"""A share of the figure's height, from its lowest point: what touches the ground."""
CONTACT = (0.42, 0.014, 0.012)
AMBIENT = (0.26, 0.06, 0.02)
"""Darkness 0..1, and spread across and down in figure heights: one close and dark, one wide and faint."""
REACH = 3.0
"""Standard deviations at which a shadow ends."""


def harmonise(figure: Pixels, frame: Pixels, box: Box, strength: float) -> Pixels:
    """Return the figure (h, w, 4) RGBA lit as the `frame` (H, W, 3) behind it in `box`; alpha stays as it is.

    `strength` 0..1 is how far to move from one mean colour to the other in Lab; lightness moves less, and
    within limits. One curve per channel in linear light makes the change, as a change of lamps would.
    """
    return harmonise_together([figure], frame, [box], strength)[0]


def harmonise_together(
    figures: Sequence[Pixels], frame: Pixels, boxes: Sequence[Box], strength: float
) -> list[Pixels]:
    """Return several figures under one light: one curve for all, so that they keep their differences."""
    seen = np.concatenate([_sampled(figure) for figure in figures])
    if strength <= 0 or not len(seen):
        return list(figures)
    behind = np.concatenate(
        [frame[y : y + high : STEP_PX, x : x + wide : STEP_PX].reshape(-1, 3) for x, y, wide, high in boxes]
    )
    own, other = mean_lab(seen), mean_lab(behind)
    table = _curves(own, _shift(own, other, strength))
    if _newly_clipped(seen, table) > MOST_CLIPPED:
        table = _curves(own, _shift(own, other, strength / 2))
    return [_lit(figure, table) for figure in figures]


def _sampled(figure: Pixels) -> Pixels:
    seen = figure[::STEP_PX, ::STEP_PX]
    return np.asarray(seen[seen[..., 3] >= OPAQUE][:, :3])


def _lit(figure: Pixels, table: Pixels) -> Pixels:
    lit = cv2.LUT(np.ascontiguousarray(figure[..., :3]), table[None])
    return np.asarray(cv2.merge([*cv2.split(lit), figure[..., 3]]), np.uint8)


def mean_lab(colors: Pixels) -> Vector:
    """Return (3,) mean CIE Lab of (n, 3) RGB."""
    scaled = colors.astype(np.float32)[None] / np.float32(255)
    return np.asarray(cv2.cvtColor(scaled, cv2.COLOR_RGB2LAB)[0].mean(0), np.float64)


def _shift(own: Vector, other: Vector, strength: float) -> Vector:
    shift = strength * (other - own)
    shift[0] = np.clip(LIGHTNESS_WEIGHT * shift[0], DARKEST_SHIFT, BRIGHTEST_SHIFT)
    shift[1:] *= min(1.0, LONGEST_TINT / max(1e-6, float(np.hypot(*shift[1:]))))
    return shift


def _curves(own: Vector, shift: Vector) -> Pixels:
    """Return a (256, 3) table.

    A gain g below 1 multiplies; above 1 it is g x / (1 + (g - 1) x), which ends at 1.
    """
    gains = _linear_rgb(own + shift) / _linear_rgb(own)
    light = LINEAR[:, None]
    level = _linear_rgb(own)
    # The bent curve lifts the mean level by less than g: solve for the g that brings it to the goal.
    goal = np.clip(level * gains, 0.002, 0.97)
    bent = goal * (1 - level) / (level * (1 - goal))
    lit = np.where(gains < 1, gains * light, bent * light / (1 + (bent - 1) * light))
    coded = np.where(lit <= 0.0031308, 12.92 * lit, 1.055 * np.maximum(lit, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(np.clip(np.rint(255 * coded), 0, 255), np.uint8)


def _linear_rgb(lab: Vector) -> Vector:
    """Return (3,) linear light 0.004..0.97 of one Lab colour."""
    rgb = cv2.cvtColor(lab.astype(np.float32)[None, None], cv2.COLOR_LAB2RGB)[0, 0]
    return np.asarray(np.clip(np.interp(rgb, LINEAR_STEPS, LINEAR), 0.004, 0.97), np.float64)


def _newly_clipped(colors: Pixels, table: Pixels) -> float:
    """Return the share of (n, 3) pixels that reach 0 or 255 in a channel only because of the table."""
    before = ((colors == 0) | (colors == 255)).any(1)
    lit = np.stack([table[colors[:, channel], channel] for channel in range(3)], 1)
    return float((((lit == 0) | (lit == 255)).any(1) & ~before).mean())


def cast_shadow(frame: Pixels, figure: Pixels, box: Box) -> Pixels:
    """Return a copy of `frame` (H, W, 3) with the shadow of the `figure` (h, w, 4) RGBA placed in `box`.

    It is made at a quarter of the size: the profile of the feet, blurred across, times a Gaussian down from
    their line. Nothing is darkened except around them.
    """
    x, y, wide, high = box
    feet_high = max(1, round(FEET_SHARE * high))
    feet = figure[-feet_high:, :, 3].max(0).astype(np.float32) / 255
    reach_x, reach_y = (max(4, round(REACH * AMBIENT[axis] * high)) for axis in (1, 2))
    line = y + high - feet_high / 4
    left, right = max(0, x - reach_x), min(frame.shape[1], x + wide + reach_x)
    top, bottom = max(0, int(line) - reach_y), min(frame.shape[0], int(line) + reach_y)

    across = np.zeros(right - left + 2 * reach_x, np.float32)
    across[reach_x + x - left : reach_x + x - left + wide] = feet
    rows = np.arange(top, bottom, 4, dtype=np.float32) + 2 - line
    dark = np.zeros((len(rows), -(-(right - left) // 4)), np.float32)
    for darkness, spread_x, spread_y in (CONTACT, AMBIENT):
        # The kernel is one row high, like the profile: else OpenCV would blur it into empty rows beyond it.
        width = 2 * int(np.ceil(REACH * spread_x * high)) + 1
        profile = cv2.GaussianBlur(across[None], (width, 1), spread_x * high, borderType=cv2.BORDER_CONSTANT)[
            0
        ]
        down = np.exp(-0.5 * (rows / (spread_y * high)) ** 2)
        dark += darkness * np.outer(down, profile[reach_x : reach_x + right - left : 4])
    # Fade to exactly nothing at the rim, where the Gaussians are not quite zero.
    rim = np.minimum(1, (reach_y - np.abs(rows)) / (0.3 * reach_y)).clip(0)
    light = 1 - cv2.resize(dark * rim[:, None], (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)

    shaded = frame.copy()
    ground = shaded[top:bottom, left:right]
    ground[:] = np.rint(ground * light[..., None]).astype(np.uint8)
    return shaded
