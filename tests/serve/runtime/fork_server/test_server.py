"""Test the fork server as a process: what it forks, and what it leaves to Ray's own program."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.runtime.fork_server import server, worker_stub

PROGRAM = """
import json, os, sys
print(json.dumps({
    "parent": os.getppid(), "arguments": sys.argv, "colour": os.environ.get("COLOUR"),
    "imported": "colorsys" in sys.modules, "folder": os.getcwd(), "group": os.getpgid(0) == os.getpid(),
    "niceness": os.getpriority(os.PRIO_PROCESS, 0), "name": __name__,
}), flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "program.py").write_text(PROGRAM)
    return tmp_path


@pytest.fixture
def forking(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server that has imported colorsys, until its input ends."""
    command = [
        sys.executable,
        "-m",
        server.__name__,
        str(folder / "socket"),
        "colorsys",
        "no_such_module",
        server.THEN,
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while not (folder / "socket").exists():
            assert process.poll() is None
        yield process
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(10) == 0


def started(folder: Path, executable: str = sys.executable, **environment: str) -> dict[str, object]:
    """Start a worker as Ray's node would, and return what it says it is."""
    names = {worker_stub.SOCKET: str(folder / "socket"), worker_stub.PROGRAM: str(folder / "program.py")}
    said = subprocess.run(
        [executable, worker_stub.__file__, "--worker-id=7"],
        env={**os.environ, **names, **environment},
        cwd=folder,
        preexec_fn=lambda: os.nice(3),
        stdout=subprocess.PIPE,
        timeout=30,
        check=True,
    ).stdout
    found: dict[str, object] = json.loads(said)
    return found


def test_worker_is_a_fork_and_all_that_the_node_requested(
    folder: Path, forking: subprocess.Popen[bytes]
) -> None:
    worker = started(folder, COLOUR="teal")
    assert worker == {
        "parent": forking.pid,
        "arguments": [str(folder / "program.py"), "--worker-id=7"],
        "colour": "teal",
        "imported": True,
        "folder": str(folder),
        "group": True,
        "niceness": os.getpriority(os.PRIO_PROCESS, 0) + 3,
        "name": "__main__",
    }


def test_worker_with_other_code_runs_the_program_itself(
    folder: Path, forking: subprocess.Popen[bytes]
) -> None:
    worker = started(folder, PYTHONPATH=str(folder))
    assert worker["parent"] == os.getpid()
    assert not worker["imported"]
    assert worker["arguments"] == [str(folder / "program.py"), "--worker-id=7"]


def test_without_a_server_the_stub_runs_the_program_itself(folder: Path) -> None:
    worker = started(folder)
    assert worker["parent"] == os.getpid()
    assert worker["name"] == "__main__"


def test_a_broken_request_leaves_the_server_at_work(folder: Path, forking: subprocess.Popen[bytes]) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(folder / "socket"))
        caller.sendall((7).to_bytes(8, "big") + b"no JSON")
    assert started(folder)["parent"] == forking.pid


def test_socket_is_this_accounts_alone(folder: Path) -> None:
    with server.listen(str(folder / "socket")):
        assert (folder / "socket").stat().st_mode & 0o077 == 0
