"""Place a figure in the frame, and the background behind it, in proportion: nothing is stretched."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from deployments.imaging.composite.pasting import Box
from deployments.messages import Feet, MergeOptions, Pixels, Position

FEET_LINE = 0.965
TALLEST = 0.9
LARGEST_ENLARGEMENT = 1.15
CENTERS: dict[Position, float] = {"left": 0.25, "center": 0.5, "right": 0.75}
VISIBLE = 128
"""Alpha from which a pixel counts as the figure when its extent is measured."""
CROPPED_SHARE = 0.08
"""A share of the picture's width: if the figure covers more of the bottom row, the picture cuts it off."""


LEAST_DOWN = 0.5
"""The share of a figure's height above which no feet are looked for."""
PAINTED_SOLES = 0.06
"""A pose's feet count as at the figure's lower edge if they are within this share of its height above it."""


@dataclass(frozen=True)
class Extent:
    """A figure's (x, y, w, h) in its picture; `cropped`: the picture cuts it off at the bottom.

    `stands_at`: where its soles are, as fractions of w and h; the middle of its lower edge unless a pose says
    otherwise.
    """

    source: Box
    cropped: bool
    stands_at: tuple[float, float] = (0.5, 1.0)


@dataclass(frozen=True)
class Placement:
    """A place in the frame.

    `source` is the figure's (x, y, w, h) in its picture, and `box` that in the frame; `grounded`: its feet
    stand on the ground.
    """

    source: Box
    box: Box
    grounded: bool


def place(alpha: Pixels, options: MergeOptions) -> Placement | None:
    """Return where the figure of (h, w) alpha goes, or None if no figure is visible.

    If the options have its feet, these are at the position, on the ground line. A full figure's feet stand on
    the ground line. A figure that its picture cuts off at the bottom is flush with the frame's bottom, at its
    own size, unless it fills its picture to all four edges, since then it was trimmed. No figure ever leaves
    the frame, whatever `options.scale` is.
    """
    extent = extent_of(alpha, options.feet)
    if extent is None:
        return None
    size = size_in(extent, options, options.scale)
    left = left_edge(options.position, size[0], options.width_px, extent.stands_at[0])
    return stand(extent, size, left, options)


def extent_of(alpha: Pixels, feet: Feet | None = None) -> Extent | None:
    """Return the visible extent of (h, w) alpha, or None. `feet`: where its pose has them in the picture."""
    x, y, wide, high = cv2.boundingRect((alpha >= VISIBLE).astype(np.uint8))
    if not wide:
        return None
    trimmed = (high, wide) == alpha.shape
    on_edge = y + high == alpha.shape[0] and (alpha[-1] >= VISIBLE).mean() > CROPPED_SHARE
    if feet is not None:
        across, down = (feet[0] * alpha.shape[1] - x) / wide, (feet[1] * alpha.shape[0] - y) / high
        if 0 <= across <= 1 and down >= LEAST_DOWN:  # Otherwise the model did not follow the pose.
            soles = 1.0 if down > 1 - PAINTED_SOLES else down
            return Extent((x, y, wide, high), False, (across, soles))
    return Extent((x, y, wide, high), on_edge and not trimmed)


def size_in(extent: Extent, options: MergeOptions, scale: float) -> tuple[int, int]:
    """Return a figure's (width, height) in the frame."""
    _, _, wide, high = extent.source
    largest = min(
        _ground_px(extent, options) / (high * extent.stands_at[1]),
        options.height_px / high,
        options.width_px / wide,
    )
    usual = 1.0 if extent.cropped else min(TALLEST * options.height_px / high, LARGEST_ENLARGEMENT)
    # Bound it before scaling: otherwise a figure too wide for its frame would be as large at 0.9 as at 1.0.
    factor = min(min(usual, largest) * scale, largest)
    return max(1, round(wide * factor)), max(1, round(high * factor))


def left_edge(position: Position | float, wide: int, frame_px: int, stands_at: float = 0.5) -> int:
    """Return the left edge, inside the frame, of a figure that stands at this share of its width."""
    return min(max(round(center_of(position) * frame_px - wide * stands_at), 0), frame_px - wide)


def stand(extent: Extent, size: tuple[int, int], left: int, options: MergeOptions) -> Placement:
    """Return the placement of a figure of this size, given its left edge."""
    top = _ground_px(extent, options) - round(size[1] * extent.stands_at[1])
    # The parts below the feet must not leave the frame.
    box = (left, max(0, min(top, options.height_px - size[1])), *size)
    return Placement(extent.source, box, not extent.cropped)


def _ground_px(extent: Extent, options: MergeOptions) -> int:
    return options.height_px if extent.cropped else round(FEET_LINE * options.height_px)


def center_of(position: Position | float) -> float:
    """Return the share of the frame's width at which the figure's middle stands."""
    return CENTERS[position] if isinstance(position, str) else position


def resize_figure(foreground: Pixels, alpha: Pixels, placement: Placement) -> Pixels:
    """Return (box height, box width, 4) RGBA; colours are averaged by coverage, so none bleed in."""
    x, y, wide, high = placement.source
    window = np.s_[y : y + high, x : x + wide]
    return _resize_rgba(foreground[window], alpha[window], placement.box[2:])


def _resize_rgba(color: cv2.typing.MatLike, coverage: Pixels, size: tuple[int, int]) -> Pixels:
    high, wide = coverage.shape
    if size != (wide, high):
        weight = cv2.merge([coverage] * 3)
        premultiplied = cv2.merge([*cv2.split(cv2.multiply(color, weight, scale=1 / 255)), coverage])
        resized = cv2.resize(premultiplied, size, interpolation=_filter(size[1] < high))
        coverage = np.ascontiguousarray(resized[..., 3])
        color = cv2.divide(resized[..., :3], cv2.merge([coverage] * 3), scale=255)
    return np.asarray(cv2.merge([*cv2.split(color), coverage]), np.uint8)


def at_most(pixels: Pixels, most_px: int) -> Pixels:
    """Return the picture (h, w, 3 or 4), or a smaller one in the same proportions, of at most `most_px`."""
    high, wide = pixels.shape[:2]
    if high * wide <= most_px:
        return pixels
    factor = (most_px / (high * wide)) ** 0.5
    size = (max(1, int(wide * factor)), max(1, int(high * factor)))
    if pixels.shape[2] == 4:
        color, coverage = np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3])
        return _resize_rgba(color, coverage, size)
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


def cover(background: Pixels, width_px: int, height_px: int) -> Pixels:
    """Return (height_px, width_px, 3) RGB: the middle of the place, scaled until it fills the frame."""
    high, wide = background.shape[:2]
    factor = max(width_px / wide, height_px / high)
    cut_wide, cut_high = min(wide, round(width_px / factor)), min(high, round(height_px / factor))
    left, top = (wide - cut_wide) // 2, (high - cut_high) // 2
    middle = np.ascontiguousarray(background[top : top + cut_high, left : left + cut_wide, :3])
    if (cut_wide, cut_high) == (width_px, height_px):
        return middle
    return np.asarray(cv2.resize(middle, (width_px, height_px), interpolation=_filter(factor < 1)), np.uint8)


def _filter(shrinking: bool) -> int:
    return cv2.INTER_AREA if shrinking else cv2.INTER_CUBIC
