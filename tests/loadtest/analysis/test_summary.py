from __future__ import annotations

from typing import Any

import pytest

from loadtest.analysis.slo import parse
from loadtest.analysis.summary import Window, summarise
from loadtest.traffic.record import Record


def record(at_s: float, took_s: float, code: str = "ok", lag_s: float = 0.0, **more: Any) -> Record:
    return Record(0, "scene", "/v1/scenes", at_s, at_s + lag_s, at_s + took_s, code, 200, **more)


def test_the_keys_that_readers_rely_on() -> None:
    summary = summarise([record(0.1, 1.0)], Window(0, 10))
    wanted = {
        *("requests", "ok", "errors", "valid", "offered_rps", "throughput_rps", "goodput_rps"),
        *("latency_s", "send_lag_s", "stages_s"),
    }
    assert wanted <= set(summary)
    assert set(summary["latency_s"]) >= {"p50", "p90", "p95", "p99", "p999", "max"}
    assert "p99" in summary["send_lag_s"]


def test_the_warm_up_is_not_measured_but_its_answers_count_for_throughput() -> None:
    records = [record(at_s, 2.0) for at_s in range(12)]
    summary = summarise(records, Window(2, 10))
    assert summary["requests"] == 10
    assert summary["offered_rps"] == 1
    assert summary["throughput_rps"] == 1  # those of 0 s and 1 s end inside, those of 10 s and 11 s do not


def test_goodput_counts_what_was_in_time() -> None:
    records = [record(at_s, 3.0 if at_s % 2 else 1.0) for at_s in range(10)]
    summary = summarise(records, Window(0, 20), parse("p50<2s"))
    assert (summary["throughput_rps"], summary["goodput_rps"]) == (0.5, 0.25)


def test_latency_counts_from_the_intended_time_and_of_good_answers_alone() -> None:
    summary = summarise([record(0, 2.0, lag_s=0.5), record(1, 9.0, "timeout")], Window(0, 10))
    assert summary["latency_s"]["max"] == pytest.approx(2.0)
    assert summary["send_lag_s"]["max"] == pytest.approx(0.5, rel=1e-3)
    assert summary["errors"] == {"timeout": 1}


def test_figures_of_each_route_and_kind() -> None:
    other = Record(1, "layer", "/v1/characters", 0.0, 0.0, 0.5, "502 generation_failed", 502)
    summary = summarise([record(0, 1.0), other], Window(0, 10))
    assert summary["routes"]["POST /v1/scenes"]["ok"] == 1
    assert summary["entries"]["layer"]["errors"] == {"502 generation_failed": 1}


@pytest.mark.parametrize(
    ("lag_s", "p50_s", "valid"),
    [(0.019, 0.1, True), (0.03, 0.1, False), (0.03, 1.0, True), (0.06, 1.0, False)],
)
def test_send_lag_is_allowed_20_ms_or_5_percent_of_p50(lag_s: float, p50_s: float, valid: bool) -> None:
    records = [record(number / 10, p50_s + lag_s, lag_s=lag_s) for number in range(50)]
    # p50 includes the lag itself.
    assert summarise(records, Window(0, 10))["valid"] is valid


def test_a_run_without_a_request_is_invalid() -> None:
    summary = summarise([], Window(0, 10), parse("ok>=99%"))
    assert not summary["valid"]
    assert not summary["slo"]["met"]


def test_few_answers_simulated_and_degraded_ones_are_warned_of() -> None:
    records = [record(0, 1.0, backend="simulated", degraded=True)]
    words = " ".join(summarise(records, Window(0, 10))["warnings"])
    assert "too few for a p95" in words and "simulated" in words and "degraded" in words
