"""Run a small benchmark of LoRAs: check that it reports figures, not which."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from bench.lora.__main__ import main
from bench.lora.files import DEEP
from bench.lora.steps import Seen


def test_the_longest_step_counts_in_usual_ones() -> None:
    seen = Seen(alone_s=[0.1, 0.1, 0.3], meanwhile_s=[0.1, 0.15], reading_s=[0.05])
    assert seen.usual_s == 0.1
    assert seen.stall(seen.alone_s) == pytest.approx(2.0)
    assert seen.stall(seen.meanwhile_s) == pytest.approx(0.5)


def test_steps_are_watched_with_and_without_a_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page, report = tmp_path / "performance.md", tmp_path / "report.json"
    page.write_text("<!-- lora: begin -->\n<!-- lora: end -->\n")
    options = ["--quick", "--only", DEEP, "--json", str(report), "--docs", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["scripts/bench lora", *options])
    main()
    found = json.loads(report.read_text())["models"][DEEP]
    assert found["layers"] > 10
    assert {"usual_s", "reading_s"} < found["runs"][0].keys()
    row = next(line for line in page.read_text().splitlines() if line.startswith(f"| {DEEP} |"))
    assert row in capsys.readouterr().out
