from __future__ import annotations

import pytest

from tests.support.bench_runs import Bench


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_engines_bench_measures_all_contenders(bench: Bench) -> None:
    printed, report = bench("engine", "--clocks", "cpu")
    for run in ("saturated", "poisson"):
        figures = report["runs"]["cpu"][run]
        assert set(figures) == {"stock, one at a time", "dynamic batching", "step engine"}
        assert all(row["pictures_per_s"] > 0 and row["p95_s"] > 0 for row in figures.values())
    assert 0 < report["runs"]["cpu"]["saturated"]["step engine"]["overhead_percent"] < 100
    assert report["machine"]["torch"] in printed


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_with_the_pipeline_painter_it_measures_both_and_a_random_dit(bench: Bench) -> None:
    printed, report = bench("engine", "--clocks", "cpu", "--painter", "pipeline")
    both = report["runs"]["cpu"]["saturated"]
    assert {"step engine", "step engine, pipelines"} < set(both)
    assert all(0 < both[name]["overhead_percent"] < 100 for name in ("step engine", "step engine, pipelines"))
    dit = report["dit"]["runs"]["cpu"]["poisson"]
    assert set(dit) == {"stock, one at a time", "dynamic batching", "step engine"}
    assert "random-dit" in printed
