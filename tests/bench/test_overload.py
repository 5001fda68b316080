from __future__ import annotations

import pytest

from bench.overload import LOADS, cells, config, figures, lateness_ms, later, page
from loadtest.analysis.summary import Window
from loadtest.traffic.record import Record
from tests.support.bench_runs import Bench

WINDOW = Window(warmup_s=10, duration_s=20)


def record(code: str, status: int, sent_s: float, done_s: float, steps: int = 20) -> Record:
    return Record(0, f"{steps} steps within 8 s", "scenes", sent_s, sent_s, done_s, code, status)


RECORDS = [
    record("ok", 200, 1.0, 9.0),
    record("ok", 200, 5.0, 11.0),
    record("ok", 200, 12.0, 15.0, steps=10),
    record("ok", 200, 22.0, 31.0),
    record("429 overloaded", 429, 12.0, 12.05),
    record("504 deadline_exceeded", 504, 11.0, 19.1),
]


def test_goodput_is_the_work_that_was_done_in_the_measured_time() -> None:
    assert figures(RECORDS, WINDOW)["goodput"] == pytest.approx((20 + 10) / 20)


def test_offered_and_completed_are_of_those_that_came_in_the_measured_time() -> None:
    seen = figures(RECORDS, WINDOW)
    assert seen["asked"] == pytest.approx((10 + 20 + 20 + 20) / 20)
    assert [seen[f"answered_{name}"] for name in (200, 429, 504, "otherwise")] == [2, 1, 1, 0]


def test_a_refusal_is_timed_from_its_sending_and_a_504_from_its_deadline() -> None:
    assert figures(RECORDS, WINDOW)["refused_p99_ms"] == pytest.approx(50)
    assert list(lateness_ms(RECORDS)) == pytest.approx([100])


def test_a_row_reports_no_refusal_where_there_was_none() -> None:
    assert cells("1", figures(RECORDS[:3], WINDOW))[-2:] == ["-/-", "-"]


def test_the_page_shows_every_load_and_the_tired_one() -> None:
    seen = figures(RECORDS, WINDOW)
    rows = [row for row in page("here", {0.7: seen, 5.0: seen}, seen, 0.97).splitlines() if row[:2] == "| "]
    assert [row.split(" | ")[0] for row in rows] == ["| load", "| 0.7", "| 5", "| 0.9*"]
    assert all(row.endswith("| 50/50 | 100 |") for row in rows[1:])


def test_no_load_is_answered_from_what_was_kept_of_the_one_before() -> None:
    loaded = config()
    assert not loaded.character.generator.keeps_layers and not loaded.background.generator.keeps_layers


def test_what_could_not_be_done_beside_the_load_is_reported() -> None:
    def fail() -> None:
        raise RuntimeError("no replica")

    with pytest.raises(RuntimeError, match="no replica"), later(0.0, fail):
        pass


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_bench_loads_a_real_service_and_slows_it(bench: Bench) -> None:
    printed, report = bench("overload")
    assert set(report["loads"]) == {str(load) for load in LOADS[-2:]} and report["tired"]["answered_200"]
    assert report["loads"]["5.0"]["answered_429"] and "at lower loads" in printed
