"""Import modules, then fork a worker for each request, until standard input closes.

`python -m serve.runtime.fork_server.server SOCKET MODULE… -- MODULE…`. Requests wait in the socket's queue
while the modules are imported. The process has one thread, as whatever forks should.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..unneeded_imports import skip_unneeded_imports
from .worker_stub import LENGTH_BYTES, LIKE_THE_SERVER

LONGEST_REQUEST_S = 10.0
QUEUE = 64
STANDARD_INPUT = 0
EARLY_WORKERS = 2
THEN = "--"


@dataclass(frozen=True, kw_only=True)
class WorkerRequest:
    """Ask for a worker: as the stub was started, a worker starts."""

    program: str
    arguments: list[str]
    environment: dict[str, str]
    folder: str
    executable: str
    niceness: int
    oom_score: str

    def imports_alike(self, environment: Mapping[str, str]) -> bool:
        """Return whether the worker imports the code that this process, started with `environment`, has."""
        return self.executable == sys.executable and all(
            self.environment.get(name) == environment.get(name) for name in LIKE_THE_SERVER
        )


Worker = tuple[WorkerRequest, list[int]]
"""What a fork shall be, and the files that are its standard input and outputs."""


def listen(path: str) -> socket.socket:
    """Listen at a Unix socket that is this account's alone."""
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(QUEUE)
    return listener


class Requests:
    """Take what stubs ask for, and fork; `environment` is what this process was started with."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self.listener = listener
        self.environment = environment
        self.taken = 0

    def wait(self, longest_s: float | None) -> bool:
        """Return whether there is one within that time. Raises EOFError where nobody can ask any more."""
        readable, _, _ = select.select([self.listener.fileno(), STANDARD_INPUT], [], [], longest_s)
        if STANDARD_INPUT in readable:
            raise EOFError
        return bool(readable)

    def next_worker(self) -> Worker | None:
        """Fork for the next one. Return in the fork what it shall be, here None."""
        self.taken += 1
        with suppress(OSError, ValueError, TypeError), self.listener.accept()[0] as caller:
            caller.settimeout(LONGEST_REQUEST_S)
            request, files = _read(caller)
            served = request.imports_alike(self.environment)
            if served and os.fork() == 0:
                return request, files
            for file in files:
                os.close(file)
            if served:
                caller.sendall(b"1")
        return None


def serve(requests: Requests, first: Sequence[str], then: Sequence[str]) -> Worker | None:
    """Import all modules, and fork until nobody can ask. Return in each fork what it shall be, here None.

    The first workers, which run Serve's controller and proxy, need the `first` modules alone: those that wait
    already are forked between the imports of the others.
    """
    with suppress(EOFError):
        for number, name in enumerate((*first, *then), 1):
            _import(name)
            while number >= len(first) and requests.taken < EARLY_WORKERS and requests.wait(0):
                if worker := requests.next_worker():
                    return worker
        gc.collect()
        gc.freeze()  # Else the collector of each fork writes to every page, and none stays shared.
        while True:
            if requests.wait(None) and (worker := requests.next_worker()):
                return worker
    return None


def _import(name: str) -> None:
    """Import what can be imported; a worker that needs the rest says why it cannot."""
    with suppress(Exception):
        importlib.import_module(name)


def _read(caller: socket.socket) -> tuple[WorkerRequest, list[int]]:
    head, files, _, _ = socket.recv_fds(caller, LENGTH_BYTES, 3)
    size, data = int.from_bytes(head, "big"), bytearray()
    while len(data) < size and (part := caller.recv(size - len(data))):
        data += part
    values: dict[str, Any] = json.loads(data)
    return WorkerRequest(**values), files


def become(request: WorkerRequest, files: list[int]) -> None:
    """Make this fork what a process that the stub's parent started would be."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setpgid(0, 0)
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.setpriority(os.PRIO_PROCESS, 0, request.niceness)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(request.oom_score)
    os.environ.clear()
    os.environ.update(request.environment)
    os.chdir(request.folder)
    _read_settings_again()
    _draw_other_numbers()
    sys.argv = [request.program, *request.arguments]
    sys.path[0] = str(Path(request.program).parent)
    runpy.run_path(request.program, run_name="__main__")


def _read_settings_again() -> None:
    """Let Ray's core read its settings again: Ray had no token when this process imported it."""
    if core := sys.modules.get("ray._raylet"):
        core.Config.initialize("")


def _draw_other_numbers() -> None:
    """Seed what else all forks would draw alike; Python's own generator has done so by itself."""
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    if torch := sys.modules.get("torch"):
        torch.seed()


def main(path: str, *names: str) -> None:
    """Serve workers; each fork runs Ray's program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel then buries forks that end.
    skip_unneeded_imports()
    parted = names.index(THEN)
    with listen(path) as listener:
        requests = Requests(listener, dict(os.environ))  # Imports change the environment.
        worker = serve(requests, names[:parted], names[parted + 1 :])
    if worker is not None:
        become(*worker)


if __name__ == "__main__":
    main(*sys.argv[1:])
