from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.peers import peers_page as peers
from loadtest.analysis.summary import Window
from loadtest.traffic.record import Record

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


def record(
    entry: str, latency_s: float, code: str = "ok", sent_s: float = 1.0, degraded: bool = False
) -> Record:
    return Record(0, entry, "scenes", sent_s, sent_s, sent_s + latency_s, code, degraded=degraded)


RECORDS = [
    record("4 steps", 1.0),
    record("8 steps", 2.0),
    record("50 steps", 9.0),
    record("4 steps", 5.0, "502"),
    record("20 steps", 3.0, sent_s=9.0),
    record("30 steps", 3.0, sent_s=0.0),
]
WINDOW = Window(warmup_s=1.0, duration_s=9.5)


def run(records: list[Record] = RECORDS, **more: Any) -> peers.Run:
    return peers.Run(summary(**more), records, WINDOW)


def test_short_requests_are_taken_together_and_failures_are_no_latency() -> None:
    figures = peers.figures_of(run(), run())
    assert figures.short_p95_s == pytest.approx(1.95)
    assert (figures.answered, figures.answered_short, figures.failed) == (4, 2, 2)


def test_work_counts_when_it_is_done() -> None:
    assert peers.figures_of(run(), run()).saturated_steps_s == pytest.approx((4 + 8 + 50 + 30) / 9.5)


def test_degraded_answers_are_reported() -> None:
    degraded = [record("4 steps", 1.0, degraded=True)]
    assert peers.figures_of(run(degraded), run()).reported == ["1 degraded"]


@pytest.mark.parametrize("order", [["ours", "theirs"], ["theirs", "ours"]])
def test_every_server_is_reported_also_where_its_run_counts_for_nothing(
    tmp_path: Path, order: list[str]
) -> None:
    (tmp_path / "performance.md").write_text((ROOT / "docs/performance.md").read_text())
    lost = run([], latency_s=None, invalid_because=["sent late"])
    figures = {"ours": peers.figures_of(run(), run()), "theirs": peers.figures_of(run([]), lost)}
    bare = {"throughput_rps": 0.5, "steps_s": 11.0}
    peers.write({name: figures[name] for name in order}, bare, users=4, folder=tmp_path)
    page = (tmp_path / "performance.md").read_text()
    assert "| ours | 15.0 | 9.7 | 12.0 | 3.00 | 4.50 | 1.95 | 4, 2 | 2 |  |" in page
    assert "| theirs | 15.0 | 0.0 | 12.0 |  |  |  | 0, 0 | 2 | INVALID: sent late |" in page
    assert "| the bare engines: one process, no merging | 30.0 | 11.0 |" in page
    assert "4 users" in page and "cpus 2" in page and "## What does the step engine gain?" in page
    assert "nan" not in (tmp_path / "pictures/performance-peers.svg").read_text()
    assert "theirs" not in (tmp_path / "pictures/performance-peers-short.svg").read_text()
