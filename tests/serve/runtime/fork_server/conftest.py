"""A fork server as a process, and a program that stands for Ray's own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from serve.runtime.fork_server import server, worker_stub
from serve.runtime.fork_server.running import BEGIN, HERE
from tests.support.polling import until

PROGRAM = """
import json, os, sys
from ray._private import worker
exec(os.environ.get("BEFORE", ""))
worker.connect()
print(json.dumps({
    "number": os.getpid(), "parent": os.getppid(), "arguments": sys.argv, "colour": os.environ.get("COLOUR"),
    "imported": "colorsys" in sys.modules, "folder": os.getcwd(), "group": os.getpgid(0) == os.getpid(),
    "niceness": os.getpriority(os.PRIO_PROCESS, 0), "name": __name__,
}), flush=True)
"""
Serving = Callable[..., AbstractContextManager["subprocess.Popen[bytes]"]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Hold the program, and beside it what it connects to in place of Ray."""
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "ray" / "_private").mkdir(parents=True)
    (tmp_path / "ray" / "__init__.py").touch()
    (tmp_path / "ray" / "_private" / "__init__.py").touch()
    (tmp_path / "ray" / "_private" / "worker.py").write_text("def connect(): pass\n")
    monkeypatch.setenv(worker_stub.SOCKET, str(tmp_path / "socket"))
    monkeypatch.setenv(worker_stub.PROGRAM, str(tmp_path / "program.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def serving(folder: Path) -> Serving:
    @contextmanager
    def running(*modules: str, then: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
        names = (*modules, server.THEN, *then)
        command = [sys.executable, "-P", "-c", BEGIN, HERE, str(folder / "socket"), *names]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            until(lambda: (folder / "socket").exists() or process.poll() is not None)
            yield process
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(10) in (0, -9)

    return running


@pytest.fixture
def stub(folder: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Start a worker as Ray's node would; its output is what it says it is."""

    def start(executable: str = sys.executable, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [executable, worker_stub.__file__, "--worker-id=7"],
            env={**os.environ, **environment},
            preexec_fn=lambda: os.nice(3),
            stdout=subprocess.PIPE,
        )

    return start
