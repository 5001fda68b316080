"""Draw the poses of the guide to references and poses: `python -m docs.pose_sheet`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from deployments.imaging.skeleton import draw_skeleton
from deployments.messages import Keypoint

FILE = Path(__file__).parent / "pictures" / "guide-poses.png"
SIZE, GAP, PAPER = (192, 256), 8, (247, 241, 228)
STANDING: tuple[tuple[float, float], ...] = (
    *(
        (0.5, 0.12),
        (0.5, 0.22),
        (0.4, 0.23),
        (0.34, 0.36),
        (0.3, 0.48),
        (0.6, 0.23),
        (0.66, 0.36),
        (0.7, 0.48),
    ),
    *((0.44, 0.5), (0.43, 0.68), (0.42, 0.86), (0.56, 0.5), (0.57, 0.68), (0.58, 0.86)),
    *((0.47, 0.1), (0.53, 0.1), (0.44, 0.11), (0.56, 0.11)),
)
WAVING = {3: (0.24, 0.2), 4: (0.2, 0.06)}
WALKING = {
    **{3: (0.46, 0.37), 4: (0.58, 0.46), 6: (0.54, 0.37), 7: (0.42, 0.46)},
    **{9: (0.34, 0.68), 10: (0.28, 0.86), 12: (0.64, 0.68), 13: (0.7, 0.84)},
}
ABSENT = (9, 10, 12, 13)
"""Knees and ankles."""


def sheet() -> Image.Image:
    """Return a picture of four poses side by side."""
    poses = (posed({}), posed(WAVING), posed(WALKING), half())
    wide, high = SIZE
    paper = Image.new("RGB", (len(poses) * (wide + GAP) + GAP, high + 2 * GAP), PAPER)
    for index, pose in enumerate(poses):
        paper.paste(Image.fromarray(draw_skeleton(pose, wide, high)), (GAP + index * (wide + GAP), GAP))
    return paper


def posed(moved: dict[int, tuple[float, float]]) -> tuple[Keypoint, ...]:
    """Return the standing pose with some of its points moved."""
    return tuple((*moved.get(index, point), 1.0) for index, point in enumerate(STANDING))


def half() -> tuple[Keypoint, ...]:
    """Return the upper half of the standing pose, 1.7 times as large."""
    return tuple(
        (min(1.0, 0.5 + 1.7 * (x - 0.5)), min(1.0, 1.7 * y), 0.0 if index in ABSENT else 1.0)
        for index, (x, y) in enumerate(STANDING)
    )


if __name__ == "__main__":
    sheet().save(FILE, optimize=True)
