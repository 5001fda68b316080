"""Run the smallest scaling benchmark: a fair comparison, with every plot marked as simulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.scale import __main__ as scale
from bench.scale import scaling_page as scaling


def test_a_policy_that_requests_too_many_is_seen_to_overshoot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scale.step(300.0)["overshoot"] <= 1
    # Waiting work must be done in 1 s, so far too many replicas are requested.
    monkeypatch.setattr(scale, "GOAL", replace(scale.GOAL, catch_up_s=1.0))
    assert scale.step(300.0)["overshoot"] > 1


def test_the_page_and_every_plot_say_that_they_are_simulated(tmp_path: Path) -> None:
    run = {"within": 0.9, "p95_s": 2.0, "replica_hours": 1.5, "targets": [(0.0, 1), (5.0, 3)]}
    bursts = {
        "scenes": 10,
        "within_s": 3.0,
        "policies": {"joint, hold 600 s": run, "ray, defaults": run},
    }
    figures = {
        "efficiency": [
            {"pairs": 1, "rps": 2.0, "of_linear": 1.0},
            {"pairs": 2, "rps": 3.9, "of_linear": 0.975},
        ],
        "step": {"decided_after_s": 2.0, "settled_at": 8, "overshoot": 0, "held_s": 60.0},
        "bursts": bursts,
        "irregular": {"scenes": 12, "traces": 2, "policies": {"joint": run | {"worst": 0.8, "best": 1.0}}},
    }
    scaling.draw(figures, tmp_path)
    page = (tmp_path / "scaling.md").read_text()
    assert "**Everything here is simulated**" in page
    assert "| 2 | 3.90 | 97.5% |" in page
    assert "| joint | 90.0% | 80.0% to 100.0% | 2.00 | 1.50 |" in page
    plots = sorted((tmp_path / "pictures").iterdir())
    assert len(plots) == 3
    for plot in plots:
        assert "(simulated)</text>" in plot.read_text()
        assert f"pictures/{plot.name}" in page
