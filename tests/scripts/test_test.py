"""scripts/test: everything beside the linters, or just the tests that are named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "test"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder whose scripts and Python only write down that they were called."""
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
def test_paths_are_run_without_the_linters_and_all_tests_in_four_processes(
    checkout: Path, arguments: list[str], lints: bool, shared: bool
) -> None:
    subprocess.run([checkout / "scripts" / "test", *arguments], check=True, timeout=20)
    first, *others = (call.split() for call in (checkout / "calls").read_text().splitlines())
    assert first == ["scripts/install"]
    workers = ["-n", "4", "--no-loadscope-reorder"] if shared else []
    tests = [".venv/bin/python", "-m", "pytest", *workers, *arguments]
    assert [call for call in others if call != ["scripts/lint"]] == [tests]
    assert (["scripts/lint"] in others) == lints
    assert not lints or shared or others[0] == ["scripts/lint"], "they disturb nothing that is measured"


@pytest.mark.parametrize(("broken", "code"), [("scripts/lint", 1), (".venv/bin/python", 3), (None, 0)])
def test_it_waits_for_both_and_fails_with_either(checkout: Path, broken: str | None, code: int) -> None:
    with (checkout / "scripts/lint").open("a") as script:
        script.write("echo an unused import\nsleep 0.3\necho linted >>calls\n")
    if broken:
        with (checkout / broken).open("a") as script:
            script.write("exit 3\n")
    done = subprocess.run([checkout / "scripts" / "test"], stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.returncode == code
    assert "linted" in (checkout / "calls").read_text()
    assert ("an unused import\nscripts/lint failed" in done.stderr) == (broken == "scripts/lint")


def test_modules_are_compiled_once_whatever_the_shell_says(checkout: Path) -> None:
    python = checkout / ".venv/bin/python"
    python.write_text('#!/bin/sh\necho "${PYTHONDONTWRITEBYTECODE-written}" >compiled\n')
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([checkout / "scripts" / "test"], check=True, timeout=20, env=environment)
    assert (checkout / "compiled").read_text() == "written\n"
