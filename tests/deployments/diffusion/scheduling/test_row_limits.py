from __future__ import annotations

from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import MOST_SHAPES, PATIENCE, RowLimits

KEY, OTHER = BatchKey(512, 512), BatchKey(1024, 1024)


def succeed(row_limits: RowLimits, rows: int, times: int) -> None:
    for _ in range(times):
        row_limits.had(KEY, rows)


def test_a_larger_picture_has_fewer_rows_and_a_smaller_one_no_more() -> None:
    row_limits = RowLimits(8)
    assert [row_limits.rows(KEY, area) for area in (0.25, 1.0, 2.0, 4.0, 100.0)] == [8, 8, 4, 2, 1]


def test_it_is_halved_for_that_size_alone() -> None:
    row_limits = RowLimits(8)
    row_limits.lower(KEY, 1.0, 8)
    assert (row_limits.rows(KEY, 1.0), row_limits.rows(OTHER, 1.0)) == (4, 8)
    row_limits.lower(KEY, 1.0, 3)
    row_limits.lower(KEY, 1.0, 1)
    assert row_limits.rows(KEY, 1.0) == 1


def test_it_is_doubled_again_after_a_while_of_full_forwards() -> None:
    row_limits = RowLimits(8)
    row_limits.lower(KEY, 1.0, 8)
    row_limits.lower(KEY, 1.0, 4)
    assert row_limits.rows(KEY, 1.0) == 2
    succeed(row_limits, rows=1, times=10 * PATIENCE)
    assert row_limits.rows(KEY, 1.0) == 2, "a forward that was not full says nothing about more rows"
    succeed(row_limits, rows=2, times=2 * PATIENCE)
    assert row_limits.rows(KEY, 1.0) == 4
    succeed(row_limits, rows=4, times=2 * PATIENCE)
    assert row_limits.rows(KEY, 1.0) == 8
    succeed(row_limits, rows=8, times=10 * PATIENCE)
    assert row_limits.rows(KEY, 1.0) == 8, "never more than calibration found worthwhile"


def test_each_failure_makes_it_more_patient() -> None:
    row_limits = RowLimits(8)
    for failures in range(1, 5):
        row_limits.lower(KEY, 1.0, 8)
        needed = 0
        while row_limits.rows(KEY, 1.0) == 4:
            succeed(row_limits, rows=4, times=1)
            needed += 1
        assert needed == PATIENCE * 2 ** (failures - 1)


def test_of_thousands_of_shapes_the_last_ones_are_remembered() -> None:
    row_limits = RowLimits(8)
    shapes = [BatchKey(8 * width, 64) for width in range(8, 8 + 2 * MOST_SHAPES)]
    for shape in shapes:
        row_limits.lower(shape, 1.0, 8)
    assert len(row_limits._lowered) == MOST_SHAPES
    assert row_limits.rows(shapes[-1], 1.0) == 4
