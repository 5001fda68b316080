"""Sheets of poses: nothing is lost, nothing overlaps, and all feet are at one point."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from deployments.errors import CutoutFailed
from deployments.imaging.cutout.matting import Cutout, cut_out
from deployments.imaging.files.picture_encoding import PictureWriter
from deployments.imaging.marks.provenance import ProvenanceConfig
from deployments.imaging.sprite_sheet import PADDING_PX, Pose, arrange, make_sheet, trimmed
from deployments.messages import LayerResult, LayerTimings, Pixels, SheetJob


def a_figure(wide: int, high: int, left: int, top: int, canvas: tuple[int, int] = (300, 200)) -> Pixels:
    """Return an opaque box with a foot at its lower right, a third of its width."""
    pixels = np.zeros((*canvas, 4), np.uint8)
    pixels[top : top + high - 20, left : left + wide] = (200, 40, 40, 255)
    pixels[top + high - 20 : top + high, left + wide - wide // 3 : left + wide] = (40, 40, 200, 255)
    return pixels


def pose_of(pixels: Pixels) -> Pose:
    pose = trimmed(cut_out(pixels))
    assert pose is not None
    return pose


def test_a_pose_is_trimmed_to_what_is_seen_and_stands_on_its_feet() -> None:
    pose = pose_of(a_figure(60, 150, 31, 17))
    assert pose.pixels.shape == (150, 60, 4)
    assert pose.feet == (50, 150), "in the middle of the foot, below its lowest row"


def test_a_faint_rim_is_kept_and_is_no_foot() -> None:
    pixels = a_figure(60, 150, 31, 17)
    pixels[167:172, 31:40, 3] = 30
    pose = pose_of(pixels)
    assert pose.pixels.shape == (155, 60, 4) and pose.feet == (50, 150)


def test_nothing_to_be_seen_is_no_pose() -> None:
    clear = np.zeros((20, 20, 4), np.uint8)
    assert trimmed(Cutout(clear[..., :3], clear[..., 3], 1.0)) is None


@pytest.mark.parametrize("seed", range(20))
def test_any_poses_are_whole_apart_and_on_one_point(seed: int) -> None:
    rng = random.Random(seed)
    poses = {}
    for number in range(rng.randint(1, 16)):
        wide, high = rng.randint(6, 120), rng.randint(30, 250)
        poses[f"p{number}"] = pose_of(a_figure(wide, high, rng.randint(0, 60), rng.randint(0, 40)))
    sheet = arrange(poses)
    taken = np.zeros(sheet.atlas.shape[:2], np.int64)
    pivots, sources = set(), set()
    for name, pose in poses.items():
        frame: dict[str, Any] = sheet.frames[name]
        x, y, w, h = (frame["frame"][side] for side in "xywh")
        assert (sheet.atlas[y : y + h, x : x + w] == pose.pixels).all(), "at its own scale"
        taken[y - PADDING_PX : y + h + PADDING_PX, x - PADDING_PX : x + w + PADDING_PX] += 1
        source, spot = frame["sourceSize"], frame["spriteSourceSize"]
        assert (spot["w"], spot["h"]) == (w, h) and frame["rotated"] is False
        assert 0 <= spot["x"] <= source["w"] - w and 0 <= spot["y"] <= source["h"] - h
        foot = spot["x"] + pose.feet[0], spot["y"] + pose.feet[1]
        pivots.add(foot)
        sources.add((source["w"], source["h"]))
        pivot = frame["pivot"]
        assert pivot["x"] * source["w"] == pytest.approx(foot[0], abs=0.1)
        assert pivot["y"] * source["h"] == pytest.approx(foot[1], abs=0.1)
        assert frame["trimmed"] == ((w, h) != (source["w"], source["h"]))
    assert taken.max() == 1 and len(pivots) == len(sources) == 1
    painted = sum(int(np.count_nonzero(pose.pixels[..., 3])) for pose in poses.values())
    assert np.count_nonzero(sheet.atlas[..., 3]) == painted


def layer(pixels: Pixels) -> LayerResult:
    timings = LayerTimings(0, 0, 0, 0)
    return LayerResult("character", pixels, 1, "m", "diffusers", timings)


def test_the_pose_that_cannot_be_cut_out_is_named() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 150, 3)).astype(np.uint8)
    job = SheetJob(request_id="r", names=("idle", "run"))
    with pytest.raises(CutoutFailed) as refused:
        make_sheet(
            job, [layer(a_figure(60, 150, 31, 17)), layer(noise)], None, PictureWriter(ProvenanceConfig())
        )
    assert refused.value.param == "poses.1" and "run" in refused.value.message
