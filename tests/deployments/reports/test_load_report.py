"""A replica's report of its work, with a clock that the tests set."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import pytest

from deployments.messages import LayerJob
from deployments.reports.load_report import WINDOWS_S, LoadReport, LoadTracker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def job(steps: int = 10, width_px: int = 500, height_px: int = 400, **start: Any) -> LayerJob:
    return LayerJob(
        request_id="r",
        kind="character",
        prompt="x",
        num_inference_steps=steps,
        guidance_scale=7.5,
        seed=1,
        width_px=width_px,
        height_px=height_px,
        deadline_at=1e12,
        **start,
    )


def paint(load_tracker: LoadTracker, clock: Clock, step_s: float, steps: int = 10) -> None:
    with load_tracker.job(job(steps)) as stepped:
        for step in range(1, steps + 1):
            clock.now += step_s
            stepped(step)


def test_nothing_is_known_at_first() -> None:
    report = LoadTracker(Clock()).report()
    assert (report.backlog_s, report.request_s, report.service_s, report.jobs) == (0.0, 0.0, 0.0, 0)


def test_small_pictures_do_not_make_a_replica_look_slow() -> None:
    """A step of 64 x 64 pixels takes a quarter of the time of 512 x 512, not a 64th."""
    clock = Clock()
    load_tracker = LoadTracker(clock)
    with load_tracker.job(job(width_px=64, height_px=64)) as stepped:
        for step in range(1, 11):
            clock.now += 0.05
            stepped(step)
    with load_tracker.job(job(width_px=512, height_px=512)):
        assert load_tracker.report().backlog_s == pytest.approx(4 * 10 * 0.05)


def test_the_backlog_is_the_time_it_takes() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    with load_tracker.job(job(steps=10)) as stepped, load_tracker.job(job(steps=40)):
        assert load_tracker.report().backlog_s == pytest.approx(50 * 0.2)
        assert load_tracker.report().jobs == 2
        clock.now += 0.2
        stepped(1)
        assert load_tracker.report().backlog_s == pytest.approx(49 * 0.2)
    assert load_tracker.report().backlog_s == 0.0


def test_a_larger_picture_is_more_work() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    with load_tracker.job(job(width_px=1000, height_px=800)):
        assert load_tracker.report().backlog_s == pytest.approx(4 * 10 * 0.2)


def test_a_layer_from_a_picture_is_the_steps_that_it_takes() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    requested = job(steps=150, width_px=1024, height_px=1024, image="1f" * 32, strength=0.1)
    with load_tracker.job(requested) as stepped:
        assert load_tracker.interactive_cost == pytest.approx(requested.cost)
        for step in range(1, 16):
            clock.now += 0.2
            stepped(step)
        assert load_tracker.interactive_cost == 0.0
    report = load_tracker.report()
    assert (report.request_s, report.service_s) == (pytest.approx(3.0), pytest.approx(3.0))


def test_idle_time_is_no_work() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    clock.now += 30
    paint(load_tracker, clock, step_s=0.2)
    assert load_tracker.report().request_s == pytest.approx(2.0)


def test_shared_forwards_make_a_request_cheaper_but_not_its_service_time() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    for _ in range(40):  # Four at once; a forward of all four takes as long as one alone.
        with ExitStack() as together:
            tasks = [together.enter_context(load_tracker.job(job())) for _ in range(4)]
            for step in range(1, 11):
                clock.now += 0.2
                for stepped in tasks:
                    stepped(step)
    report = load_tracker.report()
    assert report.request_s == pytest.approx(0.5, rel=0.05)
    assert report.service_s == pytest.approx(2.0)


def test_arrivals_are_counted_and_forgotten() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    for _ in range(3):
        paint(load_tracker, clock, step_s=0.01)
    clock.now += 6
    paint(load_tracker, clock, step_s=0.01)
    report = load_tracker.report()
    assert report.arrived == (1, 4, 4, 4, 4)
    assert report.age_s == pytest.approx(6.4)
    clock.now += WINDOWS_S[-1] + 1
    assert load_tracker.report().arrived == (0, 0, 0, 0, 0)


def test_what_a_cache_answers_is_no_work() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    before = load_tracker.report()
    with load_tracker.job(job()):
        pass
    assert load_tracker.report() == before


def test_a_report_survives_being_flattened() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    report = load_tracker.report()
    assert LoadReport.from_numbers(report.as_numbers()) == report


def test_a_job_that_fails_is_no_measure_of_speed_and_leaves_nothing() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    paint(load_tracker, clock, step_s=0.2)
    with pytest.raises(ZeroDivisionError), load_tracker.job(job()):
        raise ZeroDivisionError
    report = load_tracker.report()
    assert (report.backlog_s, report.service_s) == (0.0, pytest.approx(2.0))


def test_old_arrivals_are_forgotten_without_a_query() -> None:
    clock = Clock()
    load_tracker = LoadTracker(clock)
    for _ in range(1_000):
        paint(load_tracker, clock, step_s=1.0)
    assert len(load_tracker._arrivals) <= WINDOWS_S[-1] / 10 + 1
