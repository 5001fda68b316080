from __future__ import annotations

from typing import Any

import pytest

from loadtest.analysis.slo import SloError, parse

SUMMARY: dict[str, Any] = {
    "requests": 110,
    "cancelled": 10,
    "ok": 99,
    "latency_s": {"p50": 1.0, "p95": 7.9, "p99": 9.0, "p999": 9.5, "max": 10.0, "mean": 1.2},
    "throughput_rps": 3.0,
    "goodput_rps": 2.5,
}


@pytest.mark.parametrize(
    ("text", "met"),
    [
        ("p95<8s", True),
        ("p95<7.9s", False),
        ("p95<=7.9s", True),
        ("p95 < 7900ms", False),
        ("p99.9<9.6s", True),
        ("ok>=99%", True),
        ("ok>99%", False),
        ("errors<=1%", True),
        ("goodput>=2.5/s", True),
        ("p95<8s,ok>=99%", True),
        ("p95<8s,ok>=99.5%", False),
    ],
)
def test_a_bound_is_met_or_not(text: str, met: bool) -> None:
    assert parse(text).met(SUMMARY) is met
    assert parse(text).verdict(SUMMARY)["met"] is met


def test_a_run_without_a_good_answer_meets_no_latency() -> None:
    assert not parse("p95<8s").met(SUMMARY | {"latency_s": None})


def test_goodput_is_held_to_the_widest_upper_bound() -> None:
    assert parse("p50<2s,p99<9s,ok>=99%").latency_bound_s == 9.0
    assert parse("ok>=99%").latency_bound_s is None


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("p95", "write one like"),
        ("p42<1s", "p42 is not a known metric"),
        ("ok>=99s", "given in %"),
        ("p95<8%", "given in s"),
        ("", "''"),
    ],
)
def test_what_is_no_bound_is_refused(text: str, warnings: str) -> None:
    with pytest.raises(SloError, match=warnings):
        parse(text)
