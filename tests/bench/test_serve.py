from __future__ import annotations

import pytest

from tests.support.bench_runs import Bench


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_edges_bench_calls_every_side(bench: Bench) -> None:
    printed, report = bench("serve")
    assert len(report["runs"]) == 2
    for run in report["runs"]:
        sides = {side: row for side, row in run.items() if side not in ("size", "callers")}
        assert len(sides) == 5
        for row in sides.values():
            assert row["per_s"] > 0 and row["p50_ms"] > 0 and row["cpu_ms"] > 0
    assert report["machine"]["Ray"] in printed
    assert len([row for row in printed.splitlines() if row.startswith("scenewright, HAProxy")]) == 2
