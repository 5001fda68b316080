from __future__ import annotations

import pytest

from bench.calls import WAYS, table
from tests.support.bench_runs import Bench


def test_each_way_has_a_row() -> None:
    taken = {"edge": 2.0, "painters": 1.5, "merger": 1.0, "sum": 4.5}
    run = {"size": "64 x 64", "kb": 12.288} | dict.fromkeys(WAYS, taken)
    rows = table({"cores": 2, "ray": "2.60", "load": 0.5, "runs": [run]}).splitlines()
    assert rows[-2:] == [
        "| 64 x 64 | 12 | objects | 2.0 | 1.5 | 1.0 | 4.5 |",
        "|  |  | values | 2.0 | 1.5 | 1.0 | 4.5 |",
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_calls_by_either_way(bench: Bench) -> None:
    _, report = bench("calls")
    assert len(report["runs"]) == 2
    assert all(run[way]["sum"] > 0 for run in report["runs"] for way in WAYS)
