from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.pages import peers

ROOT = Path(__file__).parents[3]


def summary(**more: Any) -> dict[str, Any]:
    return {
        "ok": 9,
        "errors": {"502": 1},
        "throughput_rps": 0.25,
        "latency_s": {"p50": 3.0, "p95": 4.5},
        "valid": True,
        "invalid_because": [],
        "machine": {"cpus": 2},
    } | more


def test_every_server_is_told_also_where_its_run_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    lost = summary(ok=0, latency_s=None, valid=False, invalid_because=["sent late"])
    peers.write({"ours": summary(), "theirs": lost}, ["--users", "4"], 20, tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| ours | 9 | 1 | 15.0 | 3.00 | 4.50 |  |" in page
    assert "| theirs | 0 | 1 | 15.0 |  |  | INVALID: sent late |" in page
    assert "loadtest run --users 4" in page and "cpus 2" in page and "## The step engine" in page
    assert (tmp_path / "pictures/performance-peers.svg").exists()
