"""A fork server as a process, and a program in place of Ray's worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from serve.runtime.fork_server import worker_stub
from serve.runtime.fork_server.process import ForkServer

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
    """Create a folder with the program, and a fake `ray` package for it to connect to."""
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
    def running(
        *modules: str, then: tuple[str, ...] = (), early: tuple[str, ...] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        server = ForkServer(early)
        server.serve(str(folder / "socket"), modules, then, dict(os.environ))
        process = server._process
        try:
            yield process
            server._orders.close()
            assert process.wait(10) in (0, -9)
        finally:
            server.end()

    return running


@pytest.fixture
def stub(folder: Path) -> Callable[..., subprocess.Popen[bytes]]:
    """Yield a function that starts a worker as Ray's node does; the worker prints what it is."""

    def start(executable: str = sys.executable, **environment: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [executable, worker_stub.__file__, "--worker-id=7"],
            env={**os.environ, **environment},
            preexec_fn=lambda: os.nice(3),
            stdout=subprocess.PIPE,
        )

    return start
