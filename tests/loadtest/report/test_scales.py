from __future__ import annotations

import pytest

from loadtest.report.scales import Scale, label


def test_values_lie_evenly_and_stay_inside() -> None:
    scale = Scale(0, 10, 100, 200)
    assert [scale.px(value) for value in (-5, 0, 5, 10, 50)] == [100, 100, 150, 200, 200]


def test_a_logarithm_spaces_factors_evenly() -> None:
    scale = Scale(0.1, 10, 0, 100, logarithmic=True)
    assert [round(scale.px(value)) for value in (0.1, 1, 10)] == [0, 50, 100]
    assert {0.1, 1, 10} <= set(scale.ticks())


@pytest.mark.parametrize(("low", "high"), [(0, 1.05), (0, 37), (3.2, 3.9), (0, 12_345), (0, 0.004)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    ticks = Scale(low, high, 0, 1).ticks()
    assert 3 <= len(ticks) <= 8
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in ticks)
    assert all(len(label(tick).replace(",", "").lstrip("0.")) <= 5 for tick in ticks)
