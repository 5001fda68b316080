"""Draw a pose as OpenPose's skeleton on black, the pictures that pose ControlNets were trained on.

The limbs, their order and their colours are those of OpenPose's body model of 18 points (Cao et al. 2017,
arXiv 1611.08050), drawn as the package controlnet_aux draws them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from deployments.messages import Keypoint, Pixels

LIMBS = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
    *((1, 0), (0, 14), (14, 16), (0, 15), (15, 17)),
)
"""Pairs of points, in this order: nose, neck, right shoulder, elbow, wrist, the same on the left, right hip,
knee, ankle, the same on the left, right eye, left eye, right ear, left ear."""
COLOURS = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0)),
    *((0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255)),
    *((170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85)),
)
"""RGB of each point, and of each limb."""
LIMB_LIGHT = 0.6
THICK_PX, AT_PX = 4, 512
"""Half a limb's thickness, also a point's radius, in a picture whose shorter side is AT_PX."""


def draw_skeleton(keypoints: Sequence[Keypoint], width_px: int, height_px: int) -> Pixels:
    """Draw (height_px, width_px, 3) RGB of 18 points. A point of confidence 0 is left out, with its limbs."""
    picture = np.zeros((height_px, width_px, 3), np.uint8)
    thick = max(1, round(THICK_PX * min(width_px, height_px) / AT_PX))
    points = [(x * width_px, y * height_px) if there > 0 else None for x, y, there in keypoints]
    for (first, second), colour in zip(LIMBS, COLOURS, strict=False):
        begin, end = points[first], points[second]
        if begin is None or end is None:
            continue
        across, down = begin[0] - end[0], begin[1] - end[1]
        outline = cv2.ellipse2Poly(
            (int((begin[0] + end[0]) / 2), int((begin[1] + end[1]) / 2)),
            (int(math.hypot(across, down) / 2), thick),
            int(math.degrees(math.atan2(down, across))),
            0,
            360,
            1,
        )
        cv2.fillConvexPoly(picture, np.asarray(outline), [int(level * LIMB_LIGHT) for level in colour])
    for point, colour in zip(points, COLOURS, strict=True):
        if point is not None:
            cv2.circle(picture, (int(point[0]), int(point[1])), thick, colour, thickness=-1)
    return picture
