from __future__ import annotations

from typing import Any

import pytest

from loadtest.analysis.stepping import Step, analyse

STEP = Step(rises_s=10, falls_s=60, ends_s=80)


def series(slow_until_s: float, failed_at_s: float | None = None) -> dict[str, list[Any]]:
    times = [number / 2 for number in range(160)]
    return {
        "intended_s": times,
        "latency_s": [4.0 if 10 <= at_s < slow_until_s else 1.0 for at_s in times],
        "code": ["500" if at_s == failed_at_s else "ok" for at_s in times],
    }


def replicas() -> list[dict[str, Any]]:
    seen = []
    for at_s in range(80):
        running = 1 if at_s < 24 else 3
        seen.append(
            {"at_s": at_s, "replicas": {"C": running}, "starting": {"C": 2 if 14 <= at_s < 24 else 0}}
        )
    return seen


def test_the_three_times_of_a_step() -> None:
    reported = analyse(STEP, 0, series(slow_until_s=32), replicas(), None)
    assert reported["time_to_decision_s"] == 4
    assert reported["time_to_replicas_s"] == 14
    assert reported["time_to_recovery_s"] == 25  # the 5 s slice in which the last slow request was sent
    assert reported["bound_s"] == pytest.approx(1.5, rel=1e-3)
    assert reported["phases"]["high"]["requests"] == 100


def test_no_cluster_and_no_recovery() -> None:
    reported = analyse(STEP, 0, series(slow_until_s=60), [], None)
    assert (reported["time_to_decision_s"], reported["time_to_replicas_s"]) == (None, None)
    assert reported["time_to_recovery_s"] is None


def test_a_step_that_nobody_feels_is_recovered_at_once() -> None:
    reported = analyse(STEP, 0, series(slow_until_s=32), replicas()[:12], bound_s=5.0)
    assert reported["time_to_recovery_s"] == 0
    assert reported["time_to_replicas_s"] is None


def test_an_error_is_no_recovery() -> None:
    reported = analyse(STEP, 0, series(slow_until_s=10, failed_at_s=41.5), [], None)
    assert reported["time_to_recovery_s"] == 35
