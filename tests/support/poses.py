"""A standing figure's pose, in OpenPose's order of 18 points."""

from __future__ import annotations

from deployments.messages import Keypoint

STANDING: tuple[Keypoint, ...] = (
    *((0.5, 0.12, 1.0), (0.5, 0.22, 1.0)),
    *((0.4, 0.23, 1.0), (0.34, 0.36, 1.0), (0.3, 0.48, 1.0)),
    *((0.6, 0.23, 1.0), (0.66, 0.36, 1.0), (0.7, 0.48, 1.0)),
    *((0.44, 0.5, 1.0), (0.43, 0.68, 1.0), (0.42, 0.86, 1.0)),
    *((0.56, 0.5, 1.0), (0.57, 0.68, 1.0), (0.58, 0.86, 1.0)),
    *((0.47, 0.1, 1.0), (0.53, 0.1, 1.0), (0.44, 0.11, 1.0), (0.56, 0.11, 1.0)),
)
KEYPOINTS = [list(point) for point in STANDING]
"""The same pose in its wire format."""


def moved(index: int, x: float, y: float, there: float = 1.0) -> tuple[Keypoint, ...]:
    """Return the pose with one of its points moved."""
    return (*STANDING[:index], (x, y, there), *STANDING[index + 1 :])
