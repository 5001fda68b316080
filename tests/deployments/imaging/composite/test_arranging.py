"""Several figures in one frame: those without a position hide no other, whatever the sizes."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from deployments.imaging.composite.arranging import arrange
from deployments.imaging.composite.placing import Extent, Placement
from deployments.messages import FigureOptions, MergeOptions

EXTENTS = st.builds(
    lambda wide, high, cropped, feet: (
        Extent((0, 0, wide, high), cropped) if feet is None else Extent((0, 0, wide, high), False, feet)
    ),
    st.integers(1, 1536),
    st.integers(1, 1536),
    st.booleans(),
    st.none() | st.tuples(st.floats(0, 1), st.floats(0.5, 1)),
)
SIDES = st.integers(64, 1024)
PLACES = st.none() | st.sampled_from(["left", "center", "right"]) | st.floats(0, 1)
FIGURES = st.builds(FigureOptions, PLACES, st.floats(0.1, 4), st.floats(0, 100))
CASES = st.lists(st.tuples(EXTENTS, FIGURES), min_size=1, max_size=4)


def overlap_px(one: Placement, other: Placement) -> int:
    (left, _, wide, _), (its_left, _, its_wide, _) = one.box, other.box
    return min(left + wide, its_left + its_wide) - max(left, its_left)


def alike(number: int, wide: int = 180, high: int = 430) -> list[Extent]:
    return [Extent((0, 0, wide, high), False)] * number


@settings(max_examples=300, deadline=None)
@example(case=[(Extent((0, 0, 1536, 64), False), FigureOptions())] * 4, frame=(64, 1024), scale=4.0)
@example(
    case=[
        (Extent((0, 0, 1536, 700), True), FigureOptions(0.5)),
        (Extent((0, 0, 700, 700), False), FigureOptions()),
        (Extent((0, 0, 700, 700), False), FigureOptions()),
    ],
    frame=(512, 512),
    scale=4.0,
)
@given(case=CASES, frame=st.tuples(SIDES, SIDES), scale=st.floats(0.1, 4))
def test_nobody_without_a_position_hides_or_is_hidden(
    case: list[tuple[Extent, FigureOptions]], frame: tuple[int, int], scale: float
) -> None:
    extents, figures = [extent for extent, _ in case], [figure for _, figure in case]
    placements = arrange(extents, MergeOptions("auto", "right", *frame, scale), figures)
    for x, y, wide, high in (placement.box for placement in placements):
        assert min(x, y) >= 0
        assert min(wide, high) >= 1
        assert x + wide <= frame[0]
        assert y + high <= frame[1]
    for (one, requested), (other, also_asked) in combinations(zip(placements, figures, strict=True), 2):
        if requested.position is None or also_asked.position is None:
            assert overlap_px(one, other) <= 0


@pytest.mark.parametrize("number", [1, 2, 3, 4])
@pytest.mark.parametrize("frame", [(1024, 512), (1024, 300), (640, 360), (513, 257)])
def test_they_spread_evenly_from_left_to_right(number: int, frame: tuple[int, int]) -> None:
    placements = arrange(alike(number), MergeOptions("auto", "right", *frame), [FigureOptions()] * number)
    edges = [(0, 0), *((x, x + wide) for x, _, wide, _ in (each.box for each in placements))]
    edges.append((frame[0], frame[0]))
    gaps = [its_left - right for (_, right), (its_left, _) in pairwise(edges)]
    assert max(gaps) - min(gaps) <= 1


def test_one_that_is_placed_stands_there_and_the_others_beside_it() -> None:
    figures = [FigureOptions(), FigureOptions(0.3), FigureOptions()]
    boxes = [placement.box for placement in arrange(alike(3), MergeOptions(), figures)]
    assert boxes[1][0] + boxes[1][2] / 2 == pytest.approx(0.3 * 1024, abs=1)
    assert boxes[1][0] + boxes[1][2] <= boxes[0][0] < boxes[2][0]


def test_one_whose_feet_are_known_has_them_where_it_is_placed() -> None:
    first, *others = alike(3)
    leaning = Extent(first.source, False, (0.2, 0.9))
    figures = [FigureOptions(0.3), FigureOptions(), FigureOptions()]
    boxes = [placement.box for placement in arrange([leaning, *others], MergeOptions(), figures)]
    assert boxes[0][0] + 0.2 * boxes[0][2] == pytest.approx(0.3 * 1024, abs=1)
    assert boxes[0][0] + boxes[0][2] <= boxes[1][0] < boxes[2][0]


def test_two_that_are_placed_may_hide_each_other_and_keep_their_size() -> None:
    figures = [FigureOptions(0.5), FigureOptions(0.55)]
    one, other = (placement.box for placement in arrange(alike(2), MergeOptions(), figures))
    assert one[2:] == other[2:] == arrange(alike(1), MergeOptions(), [FigureOptions()])[0].box[2:]
    assert other[0] - one[0] == pytest.approx(0.05 * 1024, abs=1)


def test_where_there_is_too_little_width_all_are_made_smaller_together() -> None:
    figures = [FigureOptions(scale=0.5), *[FigureOptions()] * 3]
    boxes = [each.box for each in arrange(alike(4), MergeOptions(width_px=512), figures)]
    assert boxes[0][3] / boxes[1][3] == pytest.approx(0.5, abs=0.01)
    assert boxes[1][3] < 0.9 * 512
    assert sum(box[2] for box in boxes) > 0.9 * 512, "no smaller than they need to be"


def test_each_has_its_own_scale_besides_the_merges() -> None:
    figures = [FigureOptions(scale=0.5), FigureOptions()]
    boxes = [each.box for each in arrange(alike(2), MergeOptions(scale=0.8), figures)]
    assert boxes[0][3] == pytest.approx(0.4 * 0.9 * 512, abs=1)
    assert boxes[1][3] == pytest.approx(0.8 * 0.9 * 512, abs=1)
