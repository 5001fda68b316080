"""The scaling benchmark in its smallest form: a fair comparison, and every plot says that it is simulated."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from ray.serve.config import AutoscalingConfig

from bench import scale
from bench.pages import scaling
from serve.planning.simulation import Setup, simulate


def ray_run(**changes: float) -> list[int]:
    """The replicas that Ray's policy wanted, over two minutes of a load for about four."""
    config = AutoscalingConfig(min_replicas=1, max_replicas=20, **changes)  # type: ignore[arg-type]
    arrivals = [20.0 + number / 6 for number in range(720)]
    outcome = simulate(scale.PROFILE, Setup(1, 1, 2), arrivals, scaler=scale.RaysOwn(config))
    return [counts["character"] for _, counts in outcome.targets]


def test_ray_s_own_delays_count_in_the_simulation_s_time() -> None:
    quick = ray_run(upscale_delay_s=0.0, downscale_delay_s=600.0)
    assert quick == sorted(quick)
    assert quick[-1] > 2
    assert len(ray_run(upscale_delay_s=60.0, downscale_delay_s=600.0)) < len(quick)
    assert ray_run(upscale_delay_s=900.0) == []


def test_bursts_are_louder_than_the_calm() -> None:
    trace = scale.burst_trace(600.0)
    calm = sum(at < 480 for at in trace) / 480
    loud = sum(480 <= at < 540 for at in trace) / 60
    assert trace == sorted(trace)
    assert (calm, loud) == pytest.approx((1.5, 12.0), rel=0.3)


def test_irregular_bursts_come_by_chance_and_are_as_loud() -> None:
    trace = scale.irregular_trace(7_200.0, seed=8)
    a_minute = [sum(begin <= at < begin + 60 for at in trace) for begin in range(0, 7_200, 60)]
    loud = [minute for minute, count in enumerate(a_minute) if count > 300]
    assert trace == sorted(trace)
    assert 60 * 1.5 * 0.6 < sorted(a_minute)[60] < 60 * 1.5 * 1.5
    assert max(a_minute) == pytest.approx(60 * 12, rel=0.3)
    assert len({after - before for before, after in pairwise(loud)}) > 2


def test_a_policy_that_asks_for_too_many_is_seen_to_overshoot(monkeypatch: pytest.MonkeyPatch) -> None:
    assert scale.step(300.0)["overshoot"] <= 1
    # Work that waits is to be done in no time, so far too many are asked for.
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
        assert ">simulated</text>" in plot.read_text()
        assert f"pictures/{plot.name}" in page
