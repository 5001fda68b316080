"""Kill a fork before Ray's node knows it, and then the fork server: all workers start, by a real Ray."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import ray

from serve.runtime import private_ray
from serve.runtime.fork_server import process, running
from serve.runtime.yielding_agents import COMMANDS, NICENESS
from tests.support.polling import until

FIRST_FORK_DIES = """
import os
import ray._private.worker as worker
connect = worker.connect
def connect_but_for_the_first(*arguments, **options):
    try:
        os.close(os.open({place!r}, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return connect(*arguments, **options)
    os.kill(os.getpid(), 9)
worker.connect = connect_but_for_the_first
"""
MODULES = ("ray.actor", "first_fork_dies")


@pytest.fixture
def ray_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Start a Ray whose workers are forks and whose first fork dies; yield the file that this fork leaves."""
    folder = Path(tempfile.mkdtemp(prefix="scenewright-", dir="/tmp"))
    place = folder / "died"
    (folder / "first_fork_dies.py").write_text(FIRST_FORK_DIES.format(place=str(place)))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.delenv(process.SWITCH, raising=False)
    settings = {**private_ray.PRIVATE, "RAY_TMPDIR": f"{folder}/ray"}
    with private_ray.environment(settings), running.forking_workers(str(folder), MODULES, MODULES):
        try:
            private_ray.start(2, f"{folder}/ray", lambda text: None)
            yield place
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def parents(count: int) -> list[str]:
    """Start `count` workers; return what started each of them."""

    @ray.remote(num_cpus=0)
    class Worker:
        def parent(self) -> int:
            return os.getppid()

    workers: list[Any] = [Worker.remote() for _ in range(count)]
    numbers = ray.get([worker.parent.remote() for worker in workers], timeout=120)
    return sorted("raylet" if "raylet" in psutil.Process(each).name() else "fork server" for each in numbers)


def test_workers_start_whatever_dies(ray_of_its_own: Path) -> None:
    assert parents(3) == ["fork server", "fork server", "raylet"]
    assert ray_of_its_own.exists()
    agents = [each for each in psutil.Process().children(recursive=True) if each.nice() == NICENESS]
    assert len(agents) == len(COMMANDS), "the helpers of Ray's node run with a niceness"
    servers = [each for each in psutil.Process().children(recursive=True) if process.BEGIN in each.cmdline()]
    for server in servers:
        server.kill()
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in servers))
    assert parents(1) == ["raylet"]
