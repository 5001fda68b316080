"""Run the smallest benchmark of the engine on the GPU."""

from __future__ import annotations

from bench.gpu import HALF, SIZES
from tests.support.bench_runs import Bench


def test_the_engine_is_measured_on_the_device(device: str, bench: Bench) -> None:
    printed, report = bench("gpu", "--no-compile")
    assert [run["family"] for run in report["runs"]] == list(SIZES)
    for run in report["runs"]:
        assert run["stock_per_s"] > 0 and run["engine_per_s"] > 0
        assert run["repeats_at"] == run["buckets"]
        assert device == "cpu" or (run["dtype"], run["engine_gib"] > 0) == (str(HALF[run["family"]]), True)
    assert "cap rows" in printed
