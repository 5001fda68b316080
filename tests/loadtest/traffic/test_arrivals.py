from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from loadtest.traffic.arrivals import (
    ArrivalsError,
    constant,
    gamma,
    poisson,
    trace,
)


def variation(times: list[float]) -> float:
    gaps = np.diff(times)
    return float(gaps.std() / gaps.mean())


def test_poisson_has_its_rate_and_its_spread() -> None:
    times = poisson(10, 1_000, seed=1)
    assert len(times) == pytest.approx(10_000, rel=0.03)
    assert variation(times) == pytest.approx(1, abs=0.03)
    assert times == sorted(times) and times[0] >= 0 and times[-1] < 1_000


@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0])
def test_gamma_has_the_variation_that_was_requested(spread: float) -> None:
    times = gamma(10, 2_000, 1, spread)
    assert len(times) == pytest.approx(20_000, rel=0.1)
    assert variation(times) == pytest.approx(spread, rel=0.07)


def test_the_seed_decides() -> None:
    assert poisson(5, 10, seed=3) == poisson(5, 10, seed=3) != poisson(5, 10, seed=4)


def test_constant_is_even_and_starts_at_once() -> None:
    assert constant(2, 2) == [0.0, 0.5, 1.0, 1.5]


def test_a_trace_is_read_and_cut_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "trace.txt"
    file.write_text("# from production\n0\n0.5 # a pair\n0.5\n\n7\n")
    assert trace(file) == [0.0, 0.5, 0.5, 7.0]
    assert trace(file, 5) == [0.0, 0.5, 0.5]


@pytest.mark.parametrize(
    ("text", "warnings"),
    [("0\nsoon\n", "line 2"), ("3\n1\n", "line 2"), ("nan\n", "line 1"), ("#\n", "no times")],
)
def test_a_trace_that_is_none_is_refused_by_line(tmp_path: Path, text: str, warnings: str) -> None:
    file = tmp_path / "trace.txt"
    file.write_text(text)
    with pytest.raises(ArrivalsError, match=warnings):
        trace(file)


def test_too_many_are_refused_before_they_are_drawn() -> None:
    with pytest.raises(ArrivalsError, match="more than"):
        poisson(1e6, 1e6, seed=1)
