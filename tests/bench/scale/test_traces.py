from __future__ import annotations

from itertools import pairwise

import pytest

from bench.scale import traces


def test_bursts_are_louder_than_the_calm() -> None:
    trace = traces.burst_trace(600.0)
    calm = sum(at < 480 for at in trace) / 480
    loud = sum(480 <= at < 540 for at in trace) / 60
    assert trace == sorted(trace)
    assert (calm, loud) == pytest.approx((1.5, 12.0), rel=0.3)


def test_irregular_bursts_come_by_chance_and_are_as_loud() -> None:
    trace = traces.irregular_trace(7_200.0, seed=8)
    a_minute = [sum(begin <= at < begin + 60 for at in trace) for begin in range(0, 7_200, 60)]
    loud = [minute for minute, count in enumerate(a_minute) if count > 300]
    assert trace == sorted(trace)
    assert 60 * 1.5 * 0.6 < sorted(a_minute)[60] < 60 * 1.5 * 1.5
    assert max(a_minute) == pytest.approx(60 * 12, rel=0.3)
    assert len({after - before for before, after in pairwise(loud)}) > 2
