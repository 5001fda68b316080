"""Run benchmarks in their smallest form, to check that they run and not what they measure."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
Bench = Callable[..., tuple[str, dict[str, Any]]]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Run the smallest form of `scripts/bench NAME`; return its output and its report."""

    def run(name: str, *arguments: str) -> tuple[str, dict[str, Any]]:
        report = tmp_path / "report.json"
        command = [sys.executable, "-m", f"bench.{name}", "--quick", "--json", str(report), *arguments]
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads(report.read_text())

    return run
