"""MLPerf LoadGen and `run` measure the same server, each by its own arrivals, clock and percentiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from loadtest import arrivals
from loadtest.mix import Mix
from loadtest.traffic import Target

from .stand_in import StandIn

pytest.importorskip("mlperf_loadgen")

from loadtest.mlperf import Exam, examine

Measure = Callable[..., dict[str, Any]]
RATE_RPS, DURATION_S = 45.0, 12.0
"""Enough requests for LoadGen's early stopping to believe a p99."""
P50, P99 = 0.02, 0.05
"""How far apart the two may be."""


def steady(number: int) -> float:
    """One in twenty takes twice as long: a p50 and a p99 that do not depend on who comes when."""
    return 2.0 if number % 20 == 7 else 1.0


@pytest.mark.slow
def test_run_agrees_with_the_server_scenario(stand_in: StandIn, url: str, mix: Mix, measure: Measure) -> None:
    measure([0.0])  # The first picture of a process waits for its decoder to be imported.
    stand_in.served.clear()
    stand_in.delay_s = steady
    theirs = examine(Target(url), mix, Exam("server", RATE_RPS, DURATION_S, bound_s=4.0))
    assert theirs["scenario"] == "server"
    assert (theirs["invalid_because"], theirs["errors"]) == ([], {})
    assert theirs["valid"]
    assert theirs["requests"] == len(stand_in.served) >= RATE_RPS * DURATION_S
    ours = measure(arrivals.poisson(RATE_RPS, DURATION_S, seed=2))
    assert ours["latency_s"]["p50"] == pytest.approx(theirs["latency_s"]["p50"], rel=P50)
    assert ours["latency_s"]["p99"] == pytest.approx(theirs["latency_s"]["p99"], rel=P99)


@pytest.mark.slow  # Two per cent apart at most, which asks for a machine with nothing else to do.
def test_run_agrees_with_the_offline_scenario(
    stand_in: StandIn, url: str, mix: Mix, measure: Measure
) -> None:
    """Everything at once, to a server with four slots: the latencies are those of its queue."""
    measure([0.0])
    stand_in.delay_s, stand_in.capacity = 0.5, 4
    theirs = examine(Target(url), mix, Exam("offline", 7.0, 5.0, bound_s=60.0))
    assert (theirs["scenario"], theirs["errors"]) == ("offline", {})
    ours = measure([0.0] * theirs["requests"])
    assert ours["latency_s"]["p50"] == pytest.approx(theirs["latency_s"]["p50"], rel=P50)
    assert ours["latency_s"]["p99"] == pytest.approx(theirs["latency_s"]["p99"], rel=P99)


def test_failed_answers_are_told_though_loadgen_knows_none(stand_in: StandIn, url: str, mix: Mix) -> None:
    stand_in.error = lambda number: (500, "internal")
    told = examine(Target(url), mix, Exam("server", 20.0, 0.5, bound_s=1.0))
    assert told["errors"] == {"500 internal": told["requests"]}
