from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from loadtest.analysis.histogram import PERCENTILES, Histogram

VALUES_S = np.random.default_rng(4).lognormal(0.5, 1.0, 3_000)


def test_percentiles_are_those_of_the_package_and_close_to_the_values_own() -> None:
    histogram = Histogram(VALUES_S)
    found = histogram.percentiles_s()
    assert found is not None
    theirs = HdrHistogram.decode(histogram.encoded())
    for name, percent in PERCENTILES.items():
        assert found[name] == min(theirs.get_value_at_percentile(percent) / 1e6, found["max"])
        nearest_rank = np.percentile(VALUES_S, percent, method="nearest")
        assert found[name] == pytest.approx(nearest_rank, rel=0.01)
    assert found["max"] == pytest.approx(VALUES_S.max(), abs=1e-6)
    assert found["mean"] == pytest.approx(VALUES_S.mean(), rel=1e-5)


def test_one_value_is_all_percentiles() -> None:
    found = Histogram([1.5]).percentiles_s()
    assert found is not None
    assert set(found.values()) == {1.5}


def test_none_of_nothing() -> None:
    assert Histogram().percentiles_s() is None


def test_values_beyond_its_ends_lie_on_them() -> None:
    found = Histogram([-1.0, 1e9]).percentiles_s()
    assert found is not None
    assert (found["p50"], found["max"]) == (1e-6, 3600.0)
