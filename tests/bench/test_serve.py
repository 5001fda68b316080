from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Bench = Callable[..., tuple[str, dict[str, Any]]]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_edges_bench_asks_both_sides(bench: Bench) -> None:
    printed, report = bench("serve")
    assert len(report["runs"]) == 2
    for run in report["runs"]:
        for side in ("scenewright", "tutorial", "tutorial, our settings"):
            assert run[side]["per_s"] > 0 and run[side]["p50_ms"] > 0 and run[side]["cpu_ms"] > 0
    assert report["machine"]["Ray"] in printed
    assert printed.count("ours / tutorial") == 4
