from __future__ import annotations

from deployments.diffusion.engine.watchdog import FIRST_S, LONGEST_S, LoadRetries


def test_nothing_is_due_before_it_failed_once() -> None:
    assert not LoadRetries().begin_if_due(1e9)


def test_it_waits_twice_as_long_each_time_up_to_a_bound() -> None:
    retries, now, waits = LoadRetries(), 100.0, []
    for _ in range(8):
        waits.append(retries.failed(now))
        assert not retries.begin_if_due(now + 0.99 * waits[-1])
        now += waits[-1]
        assert retries.begin_if_due(now)
        assert not retries.begin_if_due(now), "one attempt at a time"
    assert waits[:3] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S]
    assert waits[-1] == LONGEST_S


def test_a_success_forgets_the_failures() -> None:
    retries = LoadRetries()
    for now in (0.0, 1.0, 2.0):
        retries.failed(now)
    retries.succeeded()
    assert not retries.begin_if_due(1e9)
    assert retries.failed(0.0) == FIRST_S
