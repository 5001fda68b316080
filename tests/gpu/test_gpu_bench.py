"""The engine's benchmark in its smallest form, on the GPU."""

from __future__ import annotations

from tests.support.bench_runs import Bench


def test_the_engine_is_measured_on_the_device(device: str, bench: Bench) -> None:
    printed, report = bench("gpu", "--no-compile")
    assert {run["family"] for run in report["runs"]} == {"sd15", "sdxl"}
    for run in report["runs"]:
        assert run["stock_per_s"] > 0 and run["engine_per_s"] > 0
        assert run["repeats_at"] == run["buckets"]
        assert device == "cpu" or (run["dtype"], run["peak_gib"] > 0) == ("torch.float16", True)
    assert "cap rows" in printed
