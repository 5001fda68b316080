from __future__ import annotations

import pytest

from loadtest.analysis.rate_search import highest


@pytest.mark.parametrize("capacity", [0.07, 0.9, 3.3, 17.0, 400.0])
def test_the_capacity_is_found_within_the_precision(capacity: float) -> None:
    found = highest(lambda rate, confirms: rate <= capacity, 0.5, 1_000, 0.05)
    assert found is not None
    assert capacity / 1.06 <= found <= capacity


def test_a_lucky_search_is_lowered_until_it_is_confirmed() -> None:
    found = highest(lambda rate, confirms: rate <= (3.0 if confirms else 3.6), 1.0, 1_000, 0.05)
    assert found is not None
    assert 2.8 <= found <= 3.0


def test_no_rate_holds() -> None:
    tried: list[float] = []
    assert highest(lambda rate, confirms: bool(tried.append(rate)), 1.0, 10, 0.05) is None
    assert tried == [1, 0.5, 0.25, 0.125, 0.0625]


def test_nothing_above_the_most_is_tried() -> None:
    tried: list[float] = []

    def probe(rate: float, confirms: bool) -> bool:
        tried.append(rate)
        return True

    assert highest(probe, 1.0, 5.0, 0.05) == 5.0
    assert max(tried) == 5.0
