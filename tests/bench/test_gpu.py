from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.gpu import COLUMNS, SIZES, keep_compiled_code
from tests.support.bench_runs import Bench


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("budget", [(), ("--budget-s", "60")])
def test_the_gpus_bench_runs_in_small_without_one(bench: Bench, budget: tuple[str, ...]) -> None:
    printed, report = bench("gpu", "--no-compile", *budget)
    assert [run["family"] for run in report["runs"]] == list(SIZES)
    for run in report["runs"]:
        assert set(COLUMNS) <= set(run)
        assert run["engine_per_s"] > 0 and run["stock_per_s"] > 0 and run["ratio"] > 0
        assert run["repeats_at"] == run["buckets"]
    assert all(head in printed for head in COLUMNS.values())


def test_compiled_code_is_kept_in_the_state_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCENEWRIGHT_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    keep_compiled_code()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    keep_compiled_code()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "inductor")
