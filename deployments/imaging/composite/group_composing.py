"""Compose several characters and a place into one picture: from the farthest to the nearest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageEnhance

from deployments.errors import CutoutFailed
from deployments.imaging.composite.arranging import arrange
from deployments.imaging.composite.compositing import (
    LARGEST_LAYER_PX,
    Found,
    Mode,
    failure,
    no_larger,
)
from deployments.imaging.composite.lighting import cast_shadow, harmonise_together
from deployments.imaging.composite.pasting import CONTRAST, Box
from deployments.imaging.composite.placing import (
    Extent,
    Placement,
    at_most,
    cover,
    extent_of,
    resize_figure,
)
from deployments.imaging.cutout.matting import LEAST_CONFIDENCE, Cutout, Matte, climb
from deployments.messages import Feet, FigureOptions, MergeOptions, Pixels


@dataclass(frozen=True)
class GroupFigure:
    """One figure of a composed scene.

    `cutout` is its clean layer, or its whole picture if it was pasted; `painted` (h, w, 3 or 4) is its
    picture; `reason` is why the keyer did not cut it out, or empty.
    """

    cutout: Cutout
    painted: Pixels
    mode: Mode
    confidence: float
    extent: Extent
    reason: str = ""
    box: Box = (0, 0, 0, 0)


@dataclass(frozen=True)
class GroupComposition:
    """The composed scene. `background` (h, w, 3) is the clean place."""

    picture: Image.Image
    figures: tuple[GroupFigure, ...]
    background: Pixels
    options: MergeOptions
    requested: tuple[FigureOptions, ...]

    @property
    def mode(self) -> Mode:
        """Return `paste` if any figure was pasted, else `cutout`."""
        return "paste" if any(figure.mode == "paste" for figure in self.figures) else "cutout"

    @property
    def confidence(self) -> float:
        return min(figure.confidence for figure in self.figures)

    @property
    def box(self) -> Box:
        """Return the box around all figures."""
        left, top = (min(figure.box[axis] for figure in self.figures) for axis in (0, 1))
        right, bottom = (
            max(figure.box[axis] + figure.box[axis + 2] for figure in self.figures) for axis in (0, 1)
        )
        return (left, top, right - left, bottom - top)


def compose_group(
    characters: Sequence[Pixels],
    background: Pixels,
    options: MergeOptions,
    requested: Sequence[FigureOptions],
    network: Matte | None = None,
    found: Sequence[Found | None] = (),
) -> GroupComposition:
    """Compose several pictures (h, w, 3 or 4) and a place; the same pixels and options give the same bytes.

    Each figure is cut out or pasted separately. A pasted figure is its whole picture, in proportion, without
    light or shadow. `found` has an earlier merge's findings for each. Raises CutoutFailed as `compose` does.
    """
    most_px = max(LARGEST_LAYER_PX, 2 * options.width_px * options.height_px)
    earlier = found or [None] * len(characters)
    figures = [
        _figure(at_most(character, most_px), options, network, known, index, asked.feet)
        for index, (character, known, asked) in enumerate(zip(characters, earlier, requested, strict=True))
    ]
    placements = arrange([figure.extent for figure in figures], options, requested)
    covered = cover(background, options.width_px, options.height_px)
    lit = _lit(figures, placements, covered, options)

    frame = covered
    for index in sorted(range(len(figures)), key=lambda index: -requested[index].depth):
        placement = placements[index]
        # The shadow falls on the ground and on the figures behind, which are in the frame already.
        if options.shadow and placement.grounded and figures[index].mode == "cutout":
            frame = cast_shadow(frame, lit[index], placement.box)
        picture, figure = Image.fromarray(frame), Image.fromarray(lit[index])
        picture.paste(figure, placement.box[:2], figure)
        frame = np.asarray(picture)
    usual = CONTRAST if options.mode == "paste" else 1.0
    contrast = usual if options.contrast is None else options.contrast
    picture = Image.fromarray(frame)
    return GroupComposition(
        picture if contrast == 1.0 else ImageEnhance.Contrast(picture).enhance(contrast),
        tuple(
            replace(figure, box=placement.box) for figure, placement in zip(figures, placements, strict=True)
        ),
        no_larger(background, covered, most_px),
        options,
        tuple(requested),
    )


def _figure(
    painted: Pixels,
    options: MergeOptions,
    network: Matte | None,
    found: Found | None,
    index: int,
    feet: Feet | None,
) -> GroupFigure:
    if options.mode == "paste":
        return _whole(painted, 0.0)
    if options.mode == "auto" and found is not None and found.mode == "paste":
        return _whole(painted, found.confidence, _pasted_since(found.confidence))
    cutout, reason = climb(painted, network)
    if found is not None and found.mode == "cutout" and painted.shape[2] == 4:
        cutout = replace(cutout, confidence=found.confidence)
    extent = extent_of(cutout.alpha, feet) if cutout.confidence >= LEAST_CONFIDENCE else None
    if extent is not None:
        return GroupFigure(cutout, painted, "cutout", cutout.confidence, extent, reason)
    if options.mode == "cutout":
        advice = "request a plain backdrop, or use merge.mode auto"
        raise CutoutFailed(f"figure {index}: {failure(cutout.confidence)}; {advice}", "merge.mode")
    return _whole(painted, cutout.confidence, _pasted_since(cutout.confidence))


def _pasted_since(confidence: float) -> str:
    return f"{failure(confidence)}, so it was pasted"


def _whole(painted: Pixels, confidence: float, reason: str = "") -> GroupFigure:
    high, wide = painted.shape[:2]
    opaque = np.full((high, wide), 255, np.uint8)
    alpha = np.ascontiguousarray(painted[..., 3]) if painted.shape[2] == 4 else opaque
    cutout = Cutout(np.ascontiguousarray(painted[..., :3]), alpha, confidence)
    return GroupFigure(cutout, painted, "paste", confidence, Extent((0, 0, wide, high), False), reason)


def _lit(
    figures: Sequence[GroupFigure],
    placements: Sequence[Placement],
    covered: Pixels,
    options: MergeOptions,
) -> list[Pixels]:
    """Return all figures (h, w, 4) at their size in the frame, those that were cut out under one light."""
    sized = [
        resize_figure(figure.cutout.foreground, figure.cutout.alpha, placement)
        for figure, placement in zip(figures, placements, strict=True)
    ]
    cut = [index for index, figure in enumerate(figures) if figure.mode == "cutout"]
    if not cut:
        return sized
    boxes = [placements[index].box for index in cut]
    together = harmonise_together([sized[index] for index in cut], covered, boxes, options.harmonize)
    for index, lit in zip(cut, together, strict=True):
        sized[index] = lit
    return sized


def reasons(made: GroupComposition) -> Iterator[str]:
    """Yield why each figure that the keyer did not cut out was not."""
    for index, figure in enumerate(made.figures):
        if figure.reason:
            yield f"figure {index}: {figure.reason}"
