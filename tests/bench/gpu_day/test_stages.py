from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.gpu_day.__main__ import TOTAL_S
from bench.gpu_day.stages import REHEARSAL, stages

ROOT = Path(__file__).parents[3]
ORDER = ["environment", "exactness", "sdxl", "flux", "picture", "sdxl-compiled", "flux-compiled", "sd35"]


def gpu_day(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.gpu_day", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_they_come_in_order_of_worth_and_all_but_the_last_fit_into_ten_minutes() -> None:
    every = stages(rehearse=False)
    assert [stage.name for stage in every] == ORDER
    assert sum(stage.budget_s for stage in every[:-1]) <= TOTAL_S < 600


def test_a_rehearsal_is_the_same_commands_in_small_and_on_the_cpu() -> None:
    for real, rehearsed in zip(stages(rehearse=False), stages(rehearse=True), strict=True):
        assert rehearsed.command[: len(real.command)] == real.command
        in_small = set(rehearsed.command) - set(real.command) or set(rehearsed.environment)
        assert in_small or real.name == "environment"
        assert rehearsed.budget_s == REHEARSAL * real.budget_s


def test_places_are_filled_in(tmp_path: Path) -> None:
    every = {stage.name: stage.words(tmp_path / "r.json", tmp_path) for stage in stages(rehearse=False)}
    assert not any("{" in word for words in every.values() for word in words)
    assert every["sdxl"][-4:] == ["--budget-s", "70", "--json", str(tmp_path / "r.json")]


def test_the_stages_are_listed_with_their_budgets() -> None:
    done = gpu_day("--list", "--only", "sdxl", "picture")
    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["sdxl", "picture"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--only", "nothing"], "invalid choice: 'nothing'"),
        (["--budget-s", "0"], "must be from 1 to 86400 seconds"),
        (["--budget-s", "nan"], "must be from 1 to 86400 seconds"),
        (["--wheels", "docs"], "docs must be a folder that contains wheels"),
        (["--wheels", "nowhere"], "nowhere must be a folder that contains wheels"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(arguments: list[str], why: str) -> None:
    done = gpu_day(*arguments)
    assert done.returncode == 2 and why in done.stderr


def test_it_needs_nothing_but_python_to_begin(tmp_path: Path) -> None:
    """The report says what is missing on a machine without diffusers, or even torch."""
    code = "import sys, runpy; sys.path.insert(0, '.'); sys.argv = ['gpu-day', '--list']; "
    code += "runpy.run_module('bench.gpu_day', run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "exactness" in done.stdout, done.stderr
