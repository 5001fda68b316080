from __future__ import annotations

import pytest

from bench.engine.contender_requests import STEPS, counts_within


@pytest.mark.parametrize("by_chance", [False, True])
@pytest.mark.parametrize("budget_s", [1.0, 60.0, 180.0, 360.0, 3600.0])
def test_so_many_requests_fit_into_the_budget(budget_s: float, by_chance: bool) -> None:
    counts = counts_within(budget_s, 2.0, 4, len(STEPS), by_chance)
    assert all(count % len(STEPS) == 0 for count in counts.values())
    assert counts["saturated"] >= len(STEPS)
    assert (counts["poisson"] >= len(STEPS)) is by_chance
    least = len(counts) - (not by_chance)
    assert 4 * 2.0 * sum(counts.values()) <= max(budget_s, 4 * 2.0 * least * len(STEPS))


def test_a_third_of_them_come_at_once() -> None:
    assert counts_within(3600.0, 2.0, 4, 6, True) == {"saturated": 150, "poisson": 300}
    assert counts_within(3600.0, 2.0, 4, 6, False) == {"saturated": 450, "poisson": 0}
