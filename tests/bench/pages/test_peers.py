from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from bench.pages import peers
from loadtest.record import Record

ROOT = Path(__file__).parents[3]


def summary(**more: Any) -> dict[str, Any]:
    return {
        "ok": 9,
        "errors": {"502": 1},
        "offered_rps": 0.2,
        "throughput_rps": 0.25,
        "latency_s": {"p95": 4.5, "mean": 3.0},
        "valid": True,
        "invalid_because": [],
        "machine": {"cpus": 2},
    } | more


def record(entry: str, latency_s: float, code: str = "ok") -> Record:
    return Record(0, entry, "scenes", 1.0, 1.0, 1.0 + latency_s, code)


RECORDS = [
    record("4 steps", 1.0),
    record("8 steps", 2.0),
    record("50 steps", 9.0),
    record("4 steps", 99, "502"),
]


def test_short_requests_are_taken_together_and_failures_are_no_latency() -> None:
    figures = peers.figures_of(summary(), summary(), RECORDS)
    assert figures.short_p95_s == pytest.approx(1.95)
    assert (figures.scenes, figures.failed) == (18, 2)


def test_every_server_is_told_also_where_its_run_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    lost = summary(ok=0, latency_s=None, invalid_because=["sent late"])
    figures = {
        "ours": peers.figures_of(summary(), summary(), RECORDS),
        "theirs": peers.figures_of(summary(), lost, []),
    }
    assert math.isnan(figures["theirs"].p95_s)
    peers.write(figures, bare_rps=0.5, users=4, folder=tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| ours | 15.0 | 12.0 | 3.00 | 4.50 | 1.95 | 18 | 2 |  |" in page
    assert "| theirs | 15.0 | 12.0 | nan | nan | nan | 9 | 2 | INVALID: sent late |" in page
    assert "| the bare engines | 30.0 |" in page
    assert "4 users" in page and "cpus 2" in page and "## The step engine" in page
    assert (tmp_path / "pictures/performance-peers.svg").exists()
    assert (tmp_path / "pictures/performance-peers-short.svg").exists()
