"""Cast a contact shadow: dark where the feet touch the ground, fading within a foot's length."""

from __future__ import annotations

import cv2
import numpy as np

from deployments.imaging.composite.pasting import Box
from deployments.messages import Pixels

FEET_SHARE = 0.05
"""A share of the figure's height, from its lowest point: what touches the ground."""
CONTACT = (0.42, 0.014, 0.012)
AMBIENT = (0.26, 0.06, 0.02)
"""Darkness 0..1, and spread across and down in figure heights: one close and dark, one wide and faint."""
REACH = 3.0
"""Standard deviations at which a shadow ends."""


def cast(frame: Pixels, figure: Pixels, box: Box) -> Pixels:
    """Return a copy of `frame` (H, W, 3) with the shadow of the `figure` (h, w, 4) RGBA placed in `box`.

    Made at a quarter of the size: the profile of the feet, blurred across, times a Gaussian down from their
    line; so that nothing is darkened except around them.
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
        # One row high, the kernel too: OpenCV would blur it down into the empty rows beyond the border.
        width = 2 * int(np.ceil(REACH * spread_x * high)) + 1
        profile = cv2.GaussianBlur(across[None], (width, 1), spread_x * high, borderType=cv2.BORDER_CONSTANT)[
            0
        ]
        down = np.exp(-0.5 * (rows / (spread_y * high)) ** 2)
        dark += darkness * np.outer(down, profile[reach_x : reach_x + right - left : 4])
    # Fades to exactly nothing at its rim, where the Gaussians have not quite.
    rim = np.minimum(1, (reach_y - np.abs(rows)) / (0.3 * reach_y)).clip(0)
    light = 1 - cv2.resize(dark * rim[:, None], (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)

    shaded = frame.copy()
    ground = shaded[top:bottom, left:right]
    ground[:] = np.rint(ground * light[..., None]).astype(np.uint8)
    return shaded
