from __future__ import annotations

from collections.abc import Callable

import pytest

from deployments.diffusion.engine.calibration import calibrate
from deployments.errors import OutOfMemory


def affine(fixed_s: float, row_s: float) -> Callable[[int], float]:
    return lambda rows: fixed_s + row_s * rows


@pytest.mark.parametrize(
    ("measure", "cap"),
    [
        (affine(0.0, 1.0), 2),  # Batching gains nothing: one guided picture at a time.
        (affine(1.0, 0.0), 32),  # Extra rows cost nothing.
        (affine(1.0, 1.0), 16),  # 16 rows are 9% better than 8; 32 would be 3% better still.
    ],
)
def test_rows_are_doubled_while_that_pays(measure: Callable[[int], float], cap: int) -> None:
    found = calibrate(measure, max_rows=32, budget_s=1e9)
    assert found.cap_rows == cap
    assert found.seconds == {rows: measure(rows) for rows in found.seconds}


def test_no_more_rows_than_allowed_are_tried() -> None:
    found = calibrate(affine(1.0, 0.0), max_rows=12, budget_s=1e9)
    assert (found.cap_rows, max(found.seconds)) == (8, 8)
    assert calibrate(affine(1.0, 0.0), max_rows=1, budget_s=1e9).cap_rows == 1


def test_a_slow_device_is_not_held_up_for_long() -> None:
    tried: list[int] = []

    def measure(rows: int) -> float:
        tried.append(rows)
        return 4.0 * rows

    assert calibrate(measure, max_rows=32, budget_s=10.0).cap_rows == 2
    assert tried == [1]


def test_where_there_is_no_room_it_ends() -> None:
    def measure(rows: int) -> float:
        if rows > 4:
            raise OutOfMemory("no room")
        return 1.0

    assert calibrate(measure, max_rows=32, budget_s=1e9).cap_rows == 4


def test_without_room_for_one_row_there_is_none() -> None:
    def measure(rows: int) -> float:
        raise OutOfMemory("no room")

    with pytest.raises(OutOfMemory):
        calibrate(measure, max_rows=32, budget_s=1e9)
