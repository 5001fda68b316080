from __future__ import annotations

import pytest

from deployments.diffusion.scheduling.batch_key import BatchKey
from deployments.diffusion.scheduling.cost_model import MOST_SHAPES, SEEN, CostModel

NATIVE, DOUBLE = BatchKey(64, 64), BatchKey(128, 64)
MEASURED = {1: 1.0, 2: 1.5, 4: 2.0}


@pytest.mark.parametrize(("rows", "seconds"), [(1, 1.0), (2, 1.5), (3, 1.75), (4, 2.0), (8, 4.0)])
def test_between_and_beyond_what_was_measured(rows: int, seconds: float) -> None:
    assert CostModel(NATIVE, MEASURED).forward_s(NATIVE, rows) == pytest.approx(seconds)


def test_one_measurement_is_enough() -> None:
    cost_model = CostModel(NATIVE, {8: 2.0})
    assert (cost_model.forward_s(NATIVE, 2), cost_model.forward_s(NATIVE, 16)) == (2.0, 4.0)


def test_a_larger_picture_takes_longer() -> None:
    assert CostModel(NATIVE, MEASURED).forward_s(DOUBLE, 2) == 3.0


def test_what_is_seen_corrects_what_was_measured_in_each_size() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    cost_model.observe(DOUBLE, [2], 6.0)
    assert cost_model.forward_s(DOUBLE, 4) == 8.0
    assert cost_model.forward_s(NATIVE, 4) == 2.0


def test_one_step_that_took_forever_changes_nothing() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    for seconds in (1.5, 1000.0, 1.5):
        cost_model.observe(NATIVE, [2], seconds)
    assert cost_model.forward_s(NATIVE, 2) == 1.5


def test_a_lasting_change_is_followed() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    for seconds in [1.5] * SEEN + [3.0] * SEEN:
        cost_model.observe(NATIVE, [2], seconds)
    assert cost_model.forward_s(NATIVE, 2) == 3.0
    assert cost_model.best_s(NATIVE, 2) == 1.5


def test_of_a_size_never_seen_little_is_claimed() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    assert cost_model.best_s(DOUBLE, 2) == 1.5
    assert cost_model.best_s(NATIVE, 2) == 1.5
    cost_model.observe(DOUBLE, [2], 1.2)
    assert cost_model.best_s(DOUBLE, 2) == pytest.approx(1.2)


def test_a_pace_of_nothing_learns_nothing() -> None:
    cost_model = CostModel(NATIVE, {1: 0.0})
    cost_model.observe(NATIVE, [1], 5.0)
    assert cost_model.forward_s(NATIVE, 1) == 0.0


def test_no_picture_is_said_to_need_more_than_half_of_what_the_fastest_needed() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    assert cost_model.least_megapixel_step_s == pytest.approx(0.5 * 1.0 / 0.004096)
    assert CostModel(NATIVE, {1: 0.0}).least_megapixel_step_s == 0.0


def test_of_thousands_of_shapes_the_last_ones_are_remembered() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    shapes = [BatchKey(8 * width, 64) for width in range(8, 8 + 2 * MOST_SHAPES)]
    for shape in shapes:
        cost_model.observe(NATIVE, [2], 3.0)
        cost_model.observe(shape, [2], 3.0 * cost_model.forward_s(shape, 2))
    assert len(cost_model._seen) == MOST_SHAPES
    assert cost_model.forward_s(NATIVE, 2) == 3.0, "a shape in constant use is kept"


def test_a_step_of_two_forwards_is_not_taken_for_one_that_was_slow() -> None:
    cost_model = CostModel(NATIVE, MEASURED)
    for _ in range(3):
        cost_model.observe(
            NATIVE, [1, 1, 2], 2 * cost_model.forward_s(NATIVE, 1) + cost_model.forward_s(NATIVE, 2)
        )
    assert cost_model.forward_s(NATIVE, 2) == pytest.approx(CostModel(NATIVE, MEASURED).forward_s(NATIVE, 2))
    assert cost_model.step_s(NATIVE, [1, 2]) == pytest.approx(
        cost_model.forward_s(NATIVE, 1) + cost_model.forward_s(NATIVE, 2)
    )
