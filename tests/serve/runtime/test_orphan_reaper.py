"""The processes of a private Ray end with the process that started it, and no others do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from serve.runtime import orphan_reaper
from serve.runtime.orphan_reaper import reaped_if_killed
from tests.support.own_process import gone
from tests.support.polling import until

SLEEP = "import time; time.sleep(60)"
STARTER = """
    import os, signal, subprocess, sys, time
    from serve.runtime.orphan_reaper import reaped_if_killed
    folder = sys.argv[1]
    with reaped_if_killed(folder):
        os.environ["RAY_TMPDIR"] = f"{folder}/ray"
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        print(child.pid, flush=True)
        time.sleep(60)
"""


class Started:
    """Starts processes that end with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(
        self,
        *arguments: str,
        title: str = "python",
        environment: dict[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
    ) -> subprocess.Popen[bytes]:
        process = self._stack.enter_context(
            subprocess.Popen(
                [title, "-c", SLEEP, *arguments],
                executable=sys.executable,
                env={**os.environ, **(environment or {})},
                stdin=stdin,
                stdout=stdout,
            )
        )
        self._stack.callback(process.kill)
        until(lambda: SLEEP.encode() in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        return process


@pytest.fixture
def start() -> Iterator[Started]:
    with ExitStack() as stack:
        yield Started(stack)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    file = tmp_path / "ray/session/logs/worker.out"
    file.parent.mkdir(parents=True)
    file.touch()
    return file


def test_what_a_ray_started_is_ended_by_its_environment(tmp_path: Path, start: Started) -> None:
    of_it = start(environment={"RAY_TMPDIR": f"{tmp_path}/ray"})
    others = [start(environment={"RAY_TMPDIR": f"{tmp_path}/{name}"}) for name in ("ray2", "ray/x", "")]
    assert orphan_reaper.end_what_is_left(f"{tmp_path}/ray") == 1
    assert of_it.wait(30) == -signal.SIGKILL
    assert all(other.poll() is None for other in others)


def test_what_wrote_over_its_environment_is_ended_by_its_logs(
    tmp_path: Path, start: Started, log: Path
) -> None:
    """Ray's agents overwrite their arguments and environment with a title, ray::…."""
    with log.open("w") as written:
        agent = start(title="ray::DashboardAgent", stdout=written.fileno())
    orphan_reaper.end_what_is_left(f"{tmp_path}/ray")
    assert agent.wait(30) == -signal.SIGKILL


def test_who_reads_or_names_a_ray_s_files_is_spared(tmp_path: Path, start: Started, log: Path) -> None:
    """Examples are `tail -f` of a log, an editor, a shell's redirection, and another Ray's agent."""
    with log.open() as read, log.open("a") as written:
        others = [
            start(str(log)),
            start(f"--temp-dir={tmp_path}/ray"),
            start(stdin=read.fileno()),
            start(title="ray::DashboardAgent", stdin=read.fileno()),
            start(stdout=written.fileno()),
            start(title="ray::DashboardAgent"),
        ]
    assert orphan_reaper.end_what_is_left(f"{tmp_path}/ray") == 0
    assert all(other.poll() is None for other in others)


def test_a_number_that_another_process_has_by_now_is_spared(
    tmp_path: Path, start: Started, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first check found the previous process with that id."""
    other = start()
    is_of, looks = orphan_reaper._is_of, []

    def first_look_is_of_it(place: Path, folder: str) -> bool:
        if place.name != str(other.pid):
            return False
        looks.append(place)
        return len(looks) == 1 or is_of(place, folder)

    monkeypatch.setattr(orphan_reaper, "_is_of", first_look_is_of_it)
    assert orphan_reaper.end_what_is_left(f"{tmp_path}/ray") == 0
    assert len(looks) == 2
    assert other.poll() is None


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process, psutil.Process]]:
    """Yield a process, the one that it started as a part of its Ray, and its reaper."""
    folder = tmp_path / "scenewright"
    folder.mkdir()
    command = [sys.executable, "-c", textwrap.dedent(STARTER), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        rays = psutil.Process(int(process.stdout.readline()))
        yield process, rays, reaper_of(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(psutil.Error):
        rays.kill()


def reaper_of(process: subprocess.Popen[str]) -> psutil.Process:
    def find() -> psutil.Process | None:
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.Error):
                if orphan_reaper.__file__ in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                    return child
        return None

    found = until(find)
    assert found is not None
    return found


@pytest.mark.parametrize("group", [False, True], ids=["it alone", "its whole process group"])
def test_a_killed_process_takes_its_ray_along(
    starter: tuple[subprocess.Popen[str], psutil.Process, psutil.Process], tmp_path: Path, group: bool
) -> None:
    process, rays, reaper = starter
    if group:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    until(lambda: gone([rays, reaper]))
    assert not (tmp_path / "scenewright").exists()


def test_a_killed_reaper_has_a_successor(
    starter: tuple[subprocess.Popen[str], psutil.Process, psutil.Process],
) -> None:
    process, rays, reaper = starter
    reaper.kill()
    until(lambda: gone([reaper]))
    successor = reaper_of(process)
    assert successor.pid != reaper.pid
    assert process.poll() is None
    assert rays.is_running()
    process.kill()
    until(lambda: gone([rays, successor]))


def test_signals_are_the_parent_s_to_handle(
    starter: tuple[subprocess.Popen[str], psutil.Process, psutil.Process],
) -> None:
    process, rays, reaper = starter
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        reaper.send_signal(number)
    process.kill()
    until(lambda: gone([rays, reaper]))


def test_a_normal_end_takes_the_reaper_along_and_nothing_else(tmp_path: Path, start: Started) -> None:
    with reaped_if_killed(str(tmp_path)):
        (reaper,) = (
            child for child in psutil.Process().children() if orphan_reaper.__file__ in child.cmdline()
        )
        of_it = start(environment={"RAY_TMPDIR": f"{tmp_path}/ray"})
    assert gone([reaper])
    assert of_it.poll() is None
    assert tmp_path.exists()
