from __future__ import annotations

import pytest

from bench.overload import figures, lateness_ms, line, page
from loadtest.record import Record
from loadtest.summary import Window

WINDOW = Window(warmup_s=10, duration_s=20)


def record(code: str, status: int, sent_s: float, done_s: float) -> Record:
    return Record(0, "within 8 s", "scenes", sent_s, sent_s, done_s, code, status)


RECORDS = [
    record("ok", 200, 1.0, 9.0),
    record("ok", 200, 5.0, 11.0),
    record("ok", 200, 22.0, 29.0),
    record("429 overloaded", 429, 12.0, 12.05),
    record("504 deadline_exceeded", 504, 10.0, 18.1),
]


def test_goodput_is_what_was_done_in_the_measured_time() -> None:
    assert figures(RECORDS, 1.0, WINDOW)["goodput_per_s"] == pytest.approx(2 / 20)


def test_a_refusal_is_timed_from_its_sending_and_a_504_from_its_deadline() -> None:
    assert figures(RECORDS, 1.0, WINDOW)["refused_p99_ms"] == pytest.approx(50)
    assert list(lateness_ms(RECORDS)) == pytest.approx([100])


def test_a_line_tells_of_no_refusal_where_there_was_none() -> None:
    assert "-/-" in line("1", figures(RECORDS[:3], 1.0, WINDOW))


def test_the_page_tells_every_load_and_the_tired_one() -> None:
    seen = figures(RECORDS, 1.0, WINDOW)
    rows = [row for row in page("here", {0.7: seen, 5.0: seen}, seen, 0.97).splitlines() if row[:2] == "| "]
    assert [row.split(" | ")[0] for row in rows] == ["| load", "| 0.7", "| 5", "| 0.9*"]
    assert all(row.endswith("| 50/50 | 100 |") for row in rows[1:])
