"""A session ends with pytest's status and all its output, even if the process would crash at its exit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PASSES = "def test_it(): pass"
FAILS = "def test_it(): assert False"
FAILS_AT_ITS_END = (
    "import pytest\n@pytest.fixture\ndef it():\n    yield\n    assert False\ndef test_it(it): pass"
)
CRASHES = """
import ctypes

libc = ctypes.CDLL(None)
libc.__cxa_atexit(libc.abort, None, None)

"""
"""Code that makes the process end with SIGABRT at its exit."""
LINGERS = """
import atexit
import threading
import time
from pathlib import Path

def linger():
    while threading.main_thread().is_alive():
        time.sleep(0.01)
    Path("joined").touch()

threading.Thread(target=linger).start()
atexit.register(Path("registered").touch)

"""


def ended(folder: Path, *plugins: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "pytest",
        *plugins,
        str(folder),
        f"--rootdir={folder}",
        "--junitxml=j.xml",
    ]
    environment = {"PYTHONPATH": str(REPOSITORY), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("test", "status", "closing"),
    [
        (PASSES, 0, "1 passed"),
        (FAILS, 1, "1 failed"),
        (FAILS_AT_ITS_END, 1, "1 passed, 1 error"),
        ("", 5, "no tests ran"),
    ],
)
def test_its_status_is_pytest_s(tmp_path: Path, test: str, status: int, closing: str) -> None:
    (tmp_path / "test_it.py").write_text(CRASHES + LINGERS + test)
    session = ended(tmp_path, "-p", "tests.support.ending")
    assert session.returncode == status, session.stderr
    assert closing in session.stdout.splitlines()[-1]
    assert (tmp_path / "j.xml").read_text().endswith("</testsuites>")
    assert (tmp_path / "joined").exists() and (tmp_path / "registered").exists()


@pytest.mark.parametrize(("test", "status", "closing"), [(PASSES, 0, "1 passed"), (FAILS, 1, "1 failed")])
def test_so_do_the_workers_that_share_it(tmp_path: Path, test: str, status: int, closing: str) -> None:
    (tmp_path / "test_it.py").write_text(CRASHES + LINGERS + test)
    session = ended(tmp_path, "-p", "tests.support.ending", "-p", "xdist", "-n", "1")
    assert session.returncode == status, session.stderr
    assert closing in session.stdout.splitlines()[-1]
    assert "crashed" not in session.stdout + session.stderr
    assert (tmp_path / "joined").exists() and (tmp_path / "registered").exists()


def test_options_that_are_wrong_are_an_error_still(tmp_path: Path) -> None:
    session = ended(tmp_path, "-p", "tests.support.ending", "--no-such-option")
    assert session.returncode == 4 and "--no-such-option" in session.stderr


def test_without_it_the_process_would_crash(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(CRASHES + PASSES)
    assert ended(tmp_path).returncode == -6


def test_all_our_sessions_end_so() -> None:
    script = "import sys, pytest; raise SystemExit(pytest.main(sys.argv[1:]))"
    crash = f"{CRASHES}\n{script}"
    session = subprocess.run(
        [sys.executable, "-c", crash, "--collect-only", "-q", "tests/support/test_ending.py"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert session.returncode == 0, session.stderr
