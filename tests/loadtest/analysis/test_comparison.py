from __future__ import annotations

from typing import Any

import numpy as np

from loadtest.analysis.comparison import Figure, compare, differing_tests


def run(scale: float = 1.0, seed: int = 1, ok: float = 1.0, count: int = 800) -> dict[str, Any]:
    dice = np.random.default_rng(seed)
    return {
        "series": {
            "latency_s": list(scale * dice.lognormal(0, 0.3, count)),
            "code": ["ok" if dice.random() < ok else "500" for _ in range(count)],
            "measured": [True] * count,
        },
        "config": {"rate": 4.0},
    }


def verdicts(figures: list[Figure]) -> dict[str, str]:
    return {figure.name: figure.verdict for figure in figures}


def test_a_slower_run_is_worse_and_a_faster_one_better() -> None:
    slower = verdicts(compare(run(), run(1.3, seed=2), 0.05))
    assert (slower["p50"], slower["p95"]) == ("worse", "worse")
    faster = verdicts(compare(run(1.3), run(seed=2), 0.05))
    assert (faster["p50"], faster["p95"]) == ("better", "better")


def test_another_draw_of_the_same_is_not_worse() -> None:
    for seed in range(2, 8):
        assert "worse" not in verdicts(compare(run(), run(seed=seed), 0.05)).values()


def test_the_interval_holds_the_true_ratio() -> None:
    held = 0
    for seed in range(2, 22):
        figure = compare(run(seed=seed, count=80), run(1.2, seed=seed + 100, count=80), 0.05)[0]
        held += figure.interval.low <= 1.2 <= figure.interval.high
    assert held >= 16  # of 20, for a 95% interval


def test_more_failures_are_worse() -> None:
    assert verdicts(compare(run(), run(seed=2, ok=0.95), 0.05))["ok"] == "worse"
    assert verdicts(compare(run(ok=0.95), run(seed=2), 0.05))["ok"] == "better"


def test_too_few_answers_are_not_judged_by_their_tail() -> None:
    assert set(verdicts(compare(run(count=60), run(count=60), 0.05))) == {"p50", "ok"}
    assert "p99" in verdicts(compare(run(), run(), 0.05))


def test_different_tests_are_reported() -> None:
    other = run() | {"config": {"rate": 5.0}}
    assert differing_tests(run(), run()) == []
    assert differing_tests(run(), other) == ["rate"]
