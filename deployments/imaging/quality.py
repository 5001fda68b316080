"""Check that a painted picture is usable, and not a black, white or empty frame."""

from __future__ import annotations

import cv2

from deployments.messages import Pixels

DARKEST_MEAN = 10
BRIGHTEST_MEAN = 245
LEAST_STD = 5


def flaw(pixels: Pixels) -> str | None:
    """Return why the picture is unusable ("too dark", "too bright", "flat"), or None if it is fine.

    `pixels` is (h, w, channels) uint8; the mean and the standard deviation are over all of its values.
    """
    count = pixels.size
    # Both sums are whole numbers far below 2**53, so the limits are compared exactly, in integers.
    total = int(sum(cv2.sumElems(pixels)))
    squares = int(cv2.norm(pixels, cv2.NORM_L2SQR))

    if total < DARKEST_MEAN * count:
        return "too dark"
    if total > BRIGHTEST_MEAN * count:
        return "too bright"
    if count * squares - total * total < (LEAST_STD * count) ** 2:
        return "flat"
    return None
