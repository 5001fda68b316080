"""Turn a fork of the server into the worker that a stub has requested."""

from __future__ import annotations

import importlib
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

from .worker_stub import CONNECTED, GO, LIKE_THE_SERVER, NUMBER_BYTES

CONNECTING = "ray._private.worker"
"""The module whose `connect` registers a worker with Ray's node."""


@dataclass(frozen=True, kw_only=True)
class WorkerRequest:
    """Request a worker, which starts in the way that the stub was started."""

    program: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    executable: str
    niceness: int
    oom_score: str
    umask: int

    def imports_alike(self, environment: Mapping[str, str]) -> bool:
        """Return whether the worker imports the same code as this process, started with `environment`."""
        return self.executable == sys.executable and all(
            self.environment.get(name) == environment.get(name) for name in LIKE_THE_SERVER
        )


@dataclass(frozen=True, kw_only=True)
class Worker:
    """The worker that a fork becomes, with the files for its standard streams, and the socket to its stub."""

    request: WorkerRequest
    files: list[int]
    stub: socket.socket


def become(worker: Worker) -> None:
    """Make this fork like a process that the stub's parent started, unless the stub has given up."""
    if not _wanted(worker.stub):
        return
    request = worker.request
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgid(0, 0)
    for place, file in enumerate(worker.files):
        os.dup2(file, place)
        os.close(file)
    os.umask(request.umask)
    os.setpriority(os.PRIO_PROCESS, 0, request.niceness)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(request.oom_score)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    _read_settings_again()
    _draw_other_numbers()
    sys.argv = [request.program, *request.arguments]
    sys.path.insert(0, str(Path(request.program).parent))
    _report_once_connected(worker.stub)
    runpy.run_path(request.program, run_name="__main__")


def _wanted(stub: socket.socket) -> bool:
    """Return whether the stub still waits for this fork. If it has given up, it becomes the worker itself."""
    stub.settimeout(None)
    try:
        stub.sendall(os.getpid().to_bytes(NUMBER_BYTES, "big"))
        return stub.recv(len(GO)) == GO
    except OSError:
        return False


def _report_once_connected(stub: socket.socket) -> None:
    """Notify the stub when Ray's node knows the worker. If the fork dies first, its socket closes anyway."""
    module: Any = importlib.import_module(CONNECTING)
    connect = module.connect

    @wraps(connect)
    def connect_and_report(*arguments: Any, **options: Any) -> None:
        connect(*arguments, **options)
        module.connect = connect
        with suppress(OSError), stub:
            stub.sendall(CONNECTED)

    module.connect = connect_and_report


def _read_settings_again() -> None:
    """Make Ray's core read its settings again, since Ray had no token when this process imported it."""
    if core := sys.modules.get("ray._raylet"):
        core.Config.initialize("")


def _draw_other_numbers() -> None:
    """Seed the generators that would be alike in all forks. Python's own has already seeded itself."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()
