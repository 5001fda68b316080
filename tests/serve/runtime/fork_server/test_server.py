"""The fork server as a process: what it forks, and what it leaves to Ray's own program."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from serve.runtime.fork_server import server
from serve.runtime.fork_server.process import ForkServer
from tests.serve.runtime.fork_server.conftest import Serving
from tests.support.polling import until

Stub = Callable[..., "subprocess.Popen[bytes]"]


def said(worker: subprocess.Popen[bytes]) -> dict[str, Any]:
    output, _ = worker.communicate(timeout=30)
    assert worker.returncode == 0
    found: dict[str, Any] = json.loads(output)
    return found


def test_worker_is_a_fork_and_all_that_the_node_requested(folder: Path, serving: Serving, stub: Stub) -> None:
    with serving("colorsys", "no_such_module") as process:
        worker = said(stub(COLOUR="teal"))
    del worker["number"]
    assert worker == {
        "parent": process.pid,
        "arguments": [str(folder / "program.py"), "--worker-id=7"],
        "colour": "teal",
        "imported": True,
        "folder": str(folder),
        "group": True,
        "niceness": os.getpriority(os.PRIO_PROCESS, 0) + 3,
        "name": "__main__",
    }


def test_worker_with_other_code_runs_the_program_itself(folder: Path, serving: Serving, stub: Stub) -> None:
    with serving("colorsys"):
        worker = said(stub(PYTHONPATH=str(folder)))
    assert worker["parent"] == os.getpid()
    assert not worker["imported"]
    assert worker["arguments"] == [str(folder / "program.py"), "--worker-id=7"]


def test_a_module_that_starts_a_thread_ends_the_server_and_no_worker_is_a_fork(
    folder: Path, serving: Serving, stub: Stub, monkeypatch: Any
) -> None:
    thread = "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()"
    (folder / "threading_module.py").write_text(thread)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with serving("threading_module") as process:
        assert said(stub())["parent"] == os.getpid()
        assert process.wait(10) == 0


def test_the_first_workers_need_not_wait_for_what_the_others_import(
    folder: Path, serving: Serving, stub: Stub, monkeypatch: Any
) -> None:
    (folder / "slow_module.py").write_text("open('importing', 'w'); open('continue').read()")
    os.mkfifo(folder / "continue")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with serving("colorsys", then=("slow_module",)) as process:
        until((folder / "importing").exists)
        early = [said(stub())["parent"] for _ in range(server.EARLY_WORKERS)]
        late = stub()
        (folder / "continue").write_text("")
        assert early == [process.pid] * len(early)
        assert psutil.Process(said(late)["parent"]).ppid() == process.pid


def test_what_imports_the_others_may_die(
    folder: Path, serving: Serving, stub: Stub, monkeypatch: Any
) -> None:
    (folder / "deadly_module.py").write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    with serving("colorsys", then=("deadly_module",)) as process:
        workers = [said(stub()) for _ in range(server.EARLY_WORKERS + 1)]
        assert workers[-1]["parent"] == os.getpid()
        assert process.poll() is None


def test_a_broken_request_leaves_the_server_at_work(folder: Path, serving: Serving, stub: Stub) -> None:
    with serving("colorsys") as process:
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(folder / "socket"))
            caller.sendall((7).to_bytes(8, "big") + b"no JSON")
        assert said(stub())["parent"] == process.pid


def test_socket_is_this_accounts_alone(folder: Path) -> None:
    with server.listen(str(folder / "socket")):
        assert (folder / "socket").stat().st_mode & 0o077 == 0


def test_modules_are_imported_while_nothing_is_to_be_served_yet(
    folder: Path, stub: Stub, monkeypatch: Any
) -> None:
    (folder / "early_module.py").write_text("open('early', 'w')")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    server = ForkServer(("colorsys", "early_module"))
    until((folder / "early").exists)
    server.serve(str(folder / "socket"), [], [], {**os.environ, "COLOUR": "teal"})
    worker = said(stub())
    server.end()
    assert worker["imported"] and worker["colour"] is None, "a worker has its own environment"


def test_without_anything_to_serve_it_ends_with_the_command(folder: Path) -> None:
    server = ForkServer(("colorsys",))
    server._orders.close()
    assert server._process.wait(30) == 0


def test_a_worker_has_the_umask_of_the_node_and_not_of_the_command(folder: Path, stub: Stub) -> None:
    before = os.umask(0o022)
    try:
        server = ForkServer()
        server.serve(str(folder / "socket"), ["colorsys"], [], dict(os.environ))
        os.umask(0o077)
        assert said(stub(BEFORE="open('kept', 'w')"))["imported"]
    finally:
        os.umask(before)
        server.end()
    assert (folder / "kept").stat().st_mode & 0o777 == 0o600
