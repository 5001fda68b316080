"""Compare drawn poses with stored drawings, and point by point."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deployments.imaging.skeleton import COLOURS, LIMB_LIGHT, LIMBS, draw_skeleton
from deployments.messages import Keypoint
from tests.support.poses import STANDING, moved

KEPT = Path(__file__).parent / "skeletons"
ABSENT = tuple((x, y, 0.0 if index in (4, 13, 16) else there) for index, (x, y, there) in enumerate(STANDING))
DRAWINGS: dict[str, tuple[tuple[Keypoint, ...], int, int]] = {
    "standing": (STANDING, 384, 512),
    "standing-large": (STANDING, 1024, 1024),
    "standing-small": (STANDING, 64, 96),
    "arm-raised": (moved(4, 0.25, 0.05), 512, 384),
    "points-absent": (ABSENT, 384, 512),
    "at-the-edges": ((*moved(7, 1.0, 1.0)[:17], (0.0, 0.0, 0.01)), 384, 512),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_pose_is_drawn_as_it_was(name: str) -> None:
    kept = np.asarray(Image.open(KEPT / f"{name}.png"))
    np.testing.assert_array_equal(draw_skeleton(*DRAWINGS[name]), kept)


def test_each_point_and_limb_has_openposes_colour() -> None:
    drawn = draw_skeleton(STANDING, 512, 512)
    for (x, y, _), colour in zip(STANDING, COLOURS, strict=True):
        assert tuple(drawn[int(y * 512), int(x * 512)]) == colour
    for (first, second), colour in zip(LIMBS, COLOURS, strict=False):
        middle = [(STANDING[first][axis] + STANDING[second][axis]) / 2 for axis in (0, 1)]
        found = drawn[int(middle[1] * 512), int(middle[0] * 512)]
        own = [int(level * LIMB_LIGHT) for level in colour]
        assert tuple(found) == tuple(own) or tuple(found) in COLOURS, (first, second)


def test_what_is_not_there_is_not_drawn() -> None:
    assert not draw_skeleton([(0.5, 0.5, 0.0)] * 18, 64, 64).any()
    alone = [(0.5, 0.5, 1.0 if index == 10 else 0.0) for index in range(18)]
    drawn = draw_skeleton(alone, 512, 512)
    assert {tuple(colour) for colour in drawn[drawn.any(axis=2)]} == {COLOURS[10]}
    assert drawn[256, 252:261].any(axis=1).all() and not drawn[256, 250].any(), "a radius of 4"


def write(folder: Path) -> None:
    for name, drawing in DRAWINGS.items():
        Image.fromarray(draw_skeleton(*drawing)).save(folder / f"{name}.png", optimize=True)
