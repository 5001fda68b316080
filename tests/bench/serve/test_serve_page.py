from __future__ import annotations

from pathlib import Path

import pytest

from bench.serve import serve_page as edge
from bench.serve.load import HOPS, REST, hop_of


def test_each_side_is_compared_with_the_tutorials(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- edge: begin -->\nold\n<!-- edge: end -->\nafter\n")
    hops = dict.fromkeys((*HOPS, REST), 1.25) | {"edge": 12.0}
    figures = {"p50_ms": 300.0, "cpu_ms": 30.0, "hops_ms": hops}
    run = {
        "size": "64 x 64",
        "callers": 16,
        "ours": figures | {"per_s": 45.0},
        "tutorial": figures | {"per_s": 30.0},
    }
    report = {"rounds": 3, "scenes": 60, "machine": {"cores": "2"}, "runs": [run]}
    edge.write(report, ("ours", "tutorial"), "tutorial", tmp_path)
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
    assert "| 64 x 64 | 16 | ours | 45.0 | 300 | 30.0 | 1.50 |" in text
    assert "|  |  | tutorial | 30.0 | 300 | 30.0 |  |" in text
    assert "| 64 x 64 | 16 | ours | 1.2 | 12.0 | 1.2 | 1.2 | 1.2 | 1.2 |" in text
    assert "3 rounds of 60 scenes per side. cores 2." in text


@pytest.mark.parametrize(
    ("title", "hop"),
    [
        ("ray::ProxyActor", "proxy"),
        ("/opt/venv/bin/haproxy", "proxy"),
        ("ray::ServeReplica:scenewright:Ingress", "edge"),
        ("ray::ServeReplica:tutorial:background", "painters"),
        ("ray::ServeReplica:scenewright:Merger", "merger"),
        ("/opt/venv/ray/core/src/ray/raylet/raylet", "Ray"),
        ("ray::ServeReplica:scenewright:JobWorker", REST),
        ("", REST),
    ],
)
def test_a_process_is_known_by_its_title(title: str, hop: str) -> None:
    assert hop_of([title] if title else []) == hop
