"""Arrange several figures in one frame: some where the caller wants them, the others evenly beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

from deployments.imaging.composite.placing import Extent, Placement, left_edge, size_in, stand
from deployments.messages import FigureOptions, MergeOptions

SHRINK = 0.97
MOST_SHRINKS = 250
"""By then every figure is a pixel wide, and fits into any frame."""


@dataclass(frozen=True)
class Gap:
    """A part of the frame's width in which no figure stands yet."""

    left: int
    wide: int


def arrange(
    extents: Sequence[Extent], options: MergeOptions, figures: Sequence[FigureOptions]
) -> list[Placement]:
    """Return a place for each figure.

    A figure without a position never overlaps another: equal gaps lie between it, its neighbours and the
    frame's edges. If the frame is too narrow for that, all figures are shrunk together. Two that the caller
    placed may overlap.
    """
    sizes: list[tuple[int, int]] = []
    for shrinks in range(MOST_SHRINKS):
        sizes = [
            size_in(extent, options, options.scale * figure.scale * SHRINK**shrinks)
            for extent, figure in zip(extents, figures, strict=True)
        ]
        lefts = _spread([wide for wide, _ in sizes], extents, figures, options.width_px)
        if lefts is not None:
            break
    else:
        lefts = [left_edge(figure.position or 0.5, 1, options.width_px) for figure in figures]
    return [
        stand(extent, size, left, options) for extent, size, left in zip(extents, sizes, lefts, strict=True)
    ]


def _spread(
    widths: Sequence[int], extents: Sequence[Extent], figures: Sequence[FigureOptions], frame_px: int
) -> list[int] | None:
    """Return each figure's left edge, or None where those without a position do not fit."""
    lefts = {
        index: left_edge(figure.position, wide, frame_px, extent.stands_at[0])
        for index, (wide, extent, figure) in enumerate(zip(widths, extents, figures, strict=True))
        if figure.position is not None
    }
    free = [index for index in range(len(widths)) if index not in lefts]
    gaps = list(_gaps([(left, left + widths[index]) for index, left in lefts.items()], frame_px))
    best: dict[int, int] | None = {} if not free else None
    widest = -1.0
    # Keep the list's order from left to right, so that few arrangements are left to try.
    for chosen in combinations_with_replacement(range(len(gaps)), len(free)):
        found: dict[int, int] = {}
        spaces: list[float] = []
        for number, gap in enumerate(gaps):
            inside = [index for index, its in zip(free, chosen, strict=True) if its == number]
            if not inside:
                continue
            space = (gap.wide - sum(widths[index] for index in inside)) / (len(inside) + 1)
            spaces.append(space)
            at = gap.left + space
            for index in inside:
                found[index] = int(at)
                at += widths[index] + space
        if spaces and min(spaces) >= 0 and min(spaces) > widest:
            best, widest = found, min(spaces)
    if best is None:
        return None
    lefts |= best
    return [lefts[index] for index in range(len(widths))]


def _gaps(taken: Sequence[tuple[int, int]], frame_px: int) -> Iterator[Gap]:
    """Yield the parts of the frame's width between those that are taken, from left to right."""
    at = 0
    for left, right in sorted(taken):
        if left > at:
            yield Gap(at, left - at)
        at = max(at, right)
    if at < frame_px:
        yield Gap(at, frame_px - at)
