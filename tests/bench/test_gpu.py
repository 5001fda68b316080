from __future__ import annotations

import pytest

from tests.support.bench_runs import Bench


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_gpus_bench_runs_in_small_without_one(bench: Bench) -> None:
    printed, report = bench("gpu", "--no-compile")
    assert [run["family"] for run in report["runs"]] == ["sd15", "sdxl"]
    for run in report["runs"]:
        assert run["engine_per_s"] > 0 and run["stock_per_s"] > 0
        assert run["repeats_at"] == run["buckets"]
    assert "cap rows" in printed
