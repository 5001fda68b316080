"""scripts/install, with a fake Python that installs nothing: what it prints and what goes to the log."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.polling import until

SCRIPTS = Path(__file__).parents[2] / "scripts"
PYTHON = """#!/bin/bash
case "$*" in
    --version) echo Python 3.13.0 ;;
    "-m venv"*) mkdir -p .venv/bin; cp "$0" .venv/bin/python; echo "#!$PWD/.venv/bin/python" >.venv/bin/pip ;;
    "-m pip install"*) echo "$*"; for ((n = 0; n < 500; n++)); do echo "Collecting package-$n"; done
        [ -z "${PIP_FAILS-}" ] || { echo "ERROR: the network is gone" >&2; exit 1; } ;;
    "-m pip uninstall"*) echo "$*" ;;
esac
"""
NPM = """#!/bin/bash
echo "npm $* in ${PWD##*/}"
[ -z "${NPM_FAILS-}" ] || exit 1
"""
A_SCREEN = 24


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    for name in ("install", "demo", "serve"):
        shutil.copy(SCRIPTS / name, folder / "scripts")
    (folder / "client").mkdir()
    (folder / "client-js").mkdir()
    for name in ("pyproject.toml", "client/pyproject.toml", "constraints.txt", "client-js/package-lock.json"):
        (folder / name).write_text("")
    (tmp_path / "bin").mkdir()
    for name, program in (
        ("python3.13", PYTHON),
        *((each, "#!/bin/bash\n") for each in ("chromium", "nginx", "promtool", "caddy", "node")),
        ("npm", NPM),
    ):
        (tmp_path / "bin" / name).write_text(program)
        (tmp_path / "bin" / name).chmod(0o755)
    return folder


def script(checkout: Path, name: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}", **more}
    command = [str(checkout / "scripts" / name), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_it_says_less_than_a_screen_and_the_log_has_the_rest(checkout: Path) -> None:
    done = script(checkout, "install")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) < A_SCREEN and "done" in done.stdout
    assert "package-1" not in done.stdout + done.stderr
    assert "Collecting package-499" in (checkout / "build/install.log").read_text()
    again = script(checkout, "install")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_what_would_slow_down_every_start_of_ray_goes_again(checkout: Path) -> None:
    assert script(checkout, "install").returncode == 0
    *_, last = (checkout / "build/install.log").read_text().split("Collecting package-499\n")
    assert "pip uninstall --yes rfc3987-syntax" in last


def test_verbose_shows_what_pip_prints(checkout: Path) -> None:
    done = script(checkout, "install", "--verbose")
    assert done.returncode == 0, done.stderr
    assert "Collecting package-499" in done.stdout


def test_what_failed_is_shown_with_its_last_lines_and_its_log(checkout: Path) -> None:
    done = script(checkout, "install", PIP_FAILS="1")
    assert done.returncode == 1
    for said in ("ERROR: the network is gone", "pip failed", str(checkout / "build/install.log")):
        assert said in done.stderr
    assert len((done.stdout + done.stderr).splitlines()) < A_SCREEN
    assert not (checkout / ".venv/.installed").exists()
    assert script(checkout, "install", "--verbose", PIP_FAILS="1").returncode == 1
    assert script(checkout, "install").returncode == 0, "a second run continues"


def test_ctrl_c_is_no_fault_of_pips(checkout: Path) -> None:
    slow = PYTHON.replace("[ -z", "echo begun; sleep 60; [ -z")
    (checkout.parent / "bin/python3.13").write_text(slow)
    environment = {"PATH": f"{checkout.parent / 'bin'}:{os.environ['PATH']}"}
    command = [str(checkout / "scripts/install")]
    running = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, start_new_session=True)
    log = checkout / "build/install.log"
    until(lambda: log.exists() and "begun" in log.read_text())
    os.killpg(running.pid, signal.SIGINT)
    _, said = running.communicate(timeout=30)
    assert running.returncode == 130
    assert said == b"install: stopped; run it again to continue\n"
    assert not (checkout / ".venv/.installed").exists()


def test_without_a_gpu_the_index_of_cpu_builds_is_explained_and_used(checkout: Path) -> None:
    arguments = "--extra-index-url https://builds.example/cpu"
    assert script(checkout, "install", SCENEWRIGHT_PIP_ARGS=arguments).returncode == 0
    assert arguments in (checkout / "build/install.log").read_text()
    assert 'SCENEWRIGHT_PIP_ARGS="--extra-index-url ADDRESS"' in (SCRIPTS / "install").read_text()


@pytest.mark.parametrize("name", ["demo", "serve"])
def test_the_others_pass_verbose_on(checkout: Path, name: str) -> None:
    (checkout.parent / "bin/python3.13").write_text(
        PYTHON + 'case "$*" in *demo*) echo "asked: $*" ;; esac\n'
    )
    (checkout / ".venv/bin").mkdir(parents=True)
    made = script(checkout, "install")
    assert made.returncode == 0
    (checkout / ".venv/bin/scenewright").write_text('#!/bin/bash\necho "asked: $*"\n')
    (checkout / ".venv/bin/scenewright").chmod(0o755)
    (checkout / ".venv/.installed").unlink()
    done = script(checkout, name, "--keep", "--verbose", "--port", "1")
    assert "Collecting package-499" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("asked: ")
    assert done.stdout.splitlines()[-1].endswith("--keep --port 1")


def test_the_typescript_client_s_tools_are_installed_and_needed_by_nothing_else(checkout: Path) -> None:
    failed = script(checkout, "install", NPM_FAILS="yes")
    assert failed.returncode == 0, failed.stderr
    assert "NPM FAILED" in failed.stderr
    (checkout / ".venv/.installed").unlink()
    done = script(checkout, "install")
    assert (done.returncode, done.stderr) == (0, "")
    assert "npm ci --no-progress in client-js" in (checkout / "build/install.log").read_text()
