"""Arrange the poses of a figure in one atlas: trimmed, at one scale, with their feet at one point.

The JSON beside it has TexturePacker's hash format, which game engines read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deployments.errors import CutoutFailed
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, Cutout, Matte, climb
from deployments.imaging.files.picture_encoding import PictureWriter
from deployments.imaging.marks.provenance import of_layers
from deployments.messages import LayerResult, OutputOptions, Pixels, SheetJob, SheetResult

PADDING_PX = 2
"""Clear pixels around each pose, so that an engine that blends neighbouring pixels shows no other pose."""
LEAST_ALPHA = 1
SOLID_ALPHA = 127
FEET = 0.04
"""The share of a figure's height, from the bottom, that counts as feet: it stands at their middle."""


@dataclass(frozen=True)
class Pose:
    """A trimmed figure (h, w, 4), and where its feet are: x, y in pixels."""

    pixels: Pixels
    feet: tuple[int, int]


@dataclass(frozen=True)
class Sheet:
    """An atlas (h, w, 4), and where each pose is in it by name, as an engine reads it."""

    atlas: Pixels
    frames: Mapping[str, Any]


def make_sheet(
    job: SheetJob, layers: Sequence[LayerResult], network: Matte | None, writer: PictureWriter
) -> SheetResult:
    """Cut the figure out of every layer, and write the atlas and each pose.

    Raises CutoutFailed naming the pose that cannot be cut out.
    """
    poses: dict[str, Pose] = {}
    for index, (name, layer) in enumerate(zip(job.names, layers, strict=True)):
        cutout, _ = climb(layer.pixels, network)
        pose = trimmed(cutout) if cutout.confidence >= LEAST_CONFIDENCE else None
        if pose is None:
            message = f"the pose {name} could not be cut out (confidence {cutout.confidence:.2f})"
            raise CutoutFailed(f"{message}; request another seed", f"poses.{index}")
        poses[name] = pose
    sheet, png = arrange(poses), OutputOptions("png")
    return SheetResult(
        atlas=writer.write(sheet.atlas, png, of_layers(*layers)),
        frames=dict(sheet.frames),
        poses={
            name: writer.write(pose.pixels, png, of_layers(layer))
            for (name, pose), layer in zip(poses.items(), layers, strict=True)
        },
    )


def trimmed(cutout: Cutout) -> Pose | None:
    """Return the pose of a figure that was cut out, or None if nothing of it is visible."""
    pixels = cutout.rgba()
    rows = np.flatnonzero((pixels[..., 3] >= LEAST_ALPHA).any(axis=1))
    columns = np.flatnonzero((pixels[..., 3] >= LEAST_ALPHA).any(axis=0))
    if not rows.size:
        return None
    figure = np.ascontiguousarray(pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return Pose(figure, _feet(figure[..., 3]))


def arrange(poses: Mapping[str, Pose]) -> Sheet:
    """Return the sheet of some poses, in their order. All frames share one source size and one pivot."""
    sizes = [(pose.pixels.shape[1], pose.pixels.shape[0]) for pose in poses.values()]
    places, (wide, high) = _packed(sizes)
    atlas = np.zeros((high, wide, 4), np.uint8)
    left = max(pose.feet[0] for pose in poses.values())
    above = max(pose.feet[1] for pose in poses.values())
    right = max(w - pose.feet[0] for pose, (w, _) in zip(poses.values(), sizes, strict=True))
    below = max(h - pose.feet[1] for pose, (_, h) in zip(poses.values(), sizes, strict=True))
    source = {"w": left + right, "h": above + below}
    pivot = {"x": round(left / source["w"], 4), "y": round(above / source["h"], 4)}
    frames: dict[str, Any] = {}
    for (name, pose), (x, y), (w, h) in zip(poses.items(), places, sizes, strict=True):
        atlas[y : y + h, x : x + w] = pose.pixels
        frames[name] = {
            "frame": {"x": x, "y": y, "w": w, "h": h},
            "rotated": False,
            "trimmed": (w, h) != (source["w"], source["h"]),
            "spriteSourceSize": {"x": left - pose.feet[0], "y": above - pose.feet[1], "w": w, "h": h},
            "sourceSize": dict(source),
            "pivot": dict(pivot),
        }
    return Sheet(atlas, frames)


def _feet(alpha: Pixels) -> tuple[int, int]:
    """Return where a trimmed figure stands: below its lowest solid row, in the middle of its feet."""
    solid = alpha > SOLID_ALPHA
    if not solid.any():
        solid = alpha >= LEAST_ALPHA
    lowest = int(np.flatnonzero(solid.any(axis=1))[-1])
    first = max(0, lowest - max(1, round(FEET * alpha.shape[0])) + 1)
    columns = np.flatnonzero(solid[first : lowest + 1].any(axis=0))
    return int(columns[0] + columns[-1] + 1) // 2, lowest + 1


def _packed(sizes: Sequence[tuple[int, int]]) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Pack boxes (w, h) in rows, the tallest first. Return each one's position and the size of the whole."""
    area = sum((w + 2 * PADDING_PX) * (h + 2 * PADDING_PX) for w, h in sizes)
    widest = max(max(w for w, _ in sizes) + 2 * PADDING_PX, math.ceil(1.1 * math.sqrt(area)))
    places: list[tuple[int, int]] = [(0, 0)] * len(sizes)
    x, y, row_high, whole = 0, 0, 0, 0
    for index in sorted(range(len(sizes)), key=lambda n: (-sizes[n][1], n)):
        wide, high = (side + 2 * PADDING_PX for side in sizes[index])
        if x and x + wide > widest:
            x, y, row_high = 0, y + row_high, 0
        places[index] = (x + PADDING_PX, y + PADDING_PX)
        x, row_high = x + wide, max(row_high, high)
        whole = max(whole, x)
    return places, (whole, y + row_high)
