"""Three workers share a session by file, each file in order; one takes all Rays, one all browsers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
TEST = """
import os
import time
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", [3, 1, 2, 0])
@pytest.mark.parametrize("id_", ["[::1]", object()], ids=str)
def test_it(id_, number):
    time.sleep(0.05)
    file, worker = "/".join(Path(__file__).parts[-2:]), os.environ["PYTEST_XDIST_WORKER"]
    with Path("ran").open("a") as ran:
        ran.write(f"{file} {worker} {number}\\n")
"""
RAYS = ("integration/test_a.py", "integration/test_b.py")
BROWSERS = ("browser/test_a.py", "browser/test_b.py")
FILES = ("deployments/test_a.py", *RAYS, *BROWSERS, "serve/test_a.py")


def test_a_file_keeps_its_order_and_all_rays_one_worker(tmp_path: Path) -> None:
    for name in FILES:
        file = tmp_path / "tests" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(TEST)
    plugins = ("-p", "xdist", "-p", "tests.support.workers", "-n", "3", "--no-loadscope-reorder")
    session = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            *plugins,
            "--import-mode=importlib",
            f"--rootdir={tmp_path}",
            "tests",
        ],
        cwd=tmp_path,
        env={"PYTHONPATH": str(REPOSITORY), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert session.returncode == 0, session.stdout + session.stderr
    ran = [line.split() for line in (tmp_path / "ran").read_text().splitlines()]
    workers = {name: {worker for file, worker, _ in ran if file == name} for name in FILES}
    assert all(len(each) == 1 for each in workers.values())
    (rays,) = workers[RAYS[0]] | workers[RAYS[1]]
    (browsers,) = workers[BROWSERS[0]] | workers[BROWSERS[1]]
    assert rays != browsers, "they began side by side"
    assert {rays} != set.union(*workers.values()), "the rest began beside it"
    for name in FILES:
        assert [int(number) for file, _, number in ran if file == name] == [3, 1, 2, 0] * 2
    assert [file for file, worker, _ in ran if worker == rays][: 2 * 8] == [RAYS[0]] * 8 + [RAYS[1]] * 8
