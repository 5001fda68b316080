"""scripts/test runs the linters and then all tests, or only the tests that are named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "test"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder whose scripts and Python only record their calls."""
    for name in ("scripts/install", "scripts/lint", ".venv/bin/python"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/bin/sh\necho "{name}" "$@" >>calls\n')
        file.chmod(0o755)
    (tmp_path / "tests" / "serve").mkdir(parents=True)
    shutil.copy(SCRIPT, tmp_path / "scripts" / "test")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "lints", "shared"),
    [
        ([], True, True),
        (["-m", "slow"], True, False),
        (["-mslow"], True, False),
        (["-k", "merge"], True, True),
        (["--maxfail", "2"], True, True),
        (["tests/serve"], False, False),
        (["-q", "tests/serve"], False, False),
        (["tests/serve::test_one"], False, False),
    ],
)
def test_paths_are_run_without_the_linters_and_all_tests_in_three_processes(
    checkout: Path, arguments: list[str], lints: bool, shared: bool
) -> None:
    subprocess.run([checkout / "scripts" / "test", *arguments], check=True, timeout=20)
    calls = (checkout / "calls").read_text().splitlines()
    assert calls[0].split() == ["scripts/install"]
    assert ("scripts/lint" in (call.strip() for call in calls)) == lints
    workers = ["-n", "3", "--no-loadscope-reorder"] if shared else []
    assert calls[-1].split() == [".venv/bin/python", "-m", "pytest", *workers, *arguments]


def test_modules_are_compiled_once_whatever_the_shell_says(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "${PYTHONDONTWRITEBYTECODE-written}" >compiled\n')
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([checkout / "scripts" / "test"], check=True, timeout=20, env=environment)
    assert (checkout / "compiled").read_text() == "written\n"
