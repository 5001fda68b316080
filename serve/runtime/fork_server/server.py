"""Import modules, then fork a worker for each request, until standard input closes.

What to serve comes by standard input, a socket; until then it imports the early modules.
Requests wait in the queue of the socket that comes with it. The process has one thread, as whatever forks
should, and has drawn no random numbers. Where a module leaves it otherwise it ends: Ray starts all workers.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ..unneeded_imports import skip_unneeded_imports
from .fork_safety import can_fork, draw_class_numbers_elsewhere
from .forked_worker import Worker, WorkerRequest, become
from .worker_stub import NUMBER_BYTES

LONGEST_REQUEST_S = 10.0
QUEUE = 64
STANDARD_INPUT = 0
EARLY_WORKERS = 2
ORDERS_BYTES = 1 << 20


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

    def wait(self, closed: int | None = None) -> bool:
        """Wait for one; return False where the pipe `closed` is, which ends the wait too.

        Raises EOFError where nobody can ask any more.
        """
        pipes = [STANDARD_INPUT] if closed is None else [STANDARD_INPUT, closed]
        readable, _, _ = select.select([self.listener.fileno(), *pipes], [], [])
        if STANDARD_INPUT in readable:
            raise EOFError
        return closed not in readable

    def next_worker(self) -> Worker | None:
        """Fork for the next one. Return in the fork what it shall be, here None."""
        self.taken += 1
        with suppress(OSError, ValueError, TypeError):
            stub = self.listener.accept()[0]
            try:
                stub.settimeout(LONGEST_REQUEST_S)
                head, files, _, _ = socket.recv_fds(stub, NUMBER_BYTES, 3)
                try:
                    request = _read(stub, int.from_bytes(head, "big"))
                    if request.imports_alike(self.environment) and os.fork() == 0:
                        return Worker(
                            request=request, files=[os.dup(file) for file in files], stub=stub.dup()
                        )
                finally:
                    for file in files:
                        os.close(file)
            finally:
                stub.close()
        return None


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Say what is to be imported before the first workers and before the others, and in which environment."""

    listener: socket.socket
    environment: dict[str, str]
    first: list[str]
    then: list[str]


def await_orders(early: Sequence[str]) -> Orders | None:
    """Import these until orders come; return None where none will."""
    waiting, files, data = list(early), list[int](), b""
    with socket.socket(fileno=os.dup(STANDARD_INPUT)) as orders:
        while not data.endswith(b"\n"):
            readable, _, _ = select.select([orders], [], [], 0 if waiting else None)
            if not readable:
                _import(waiting.pop(0))
                continue
            part, sent, _, _ = socket.recv_fds(orders, ORDERS_BYTES, 1)
            if not part:
                return None
            data, files = data + part, files + sent
    return Orders(listener=socket.socket(fileno=files[0]), **json.loads(data))


def serve(requests: Requests, first: Sequence[str], then: Sequence[str]) -> Worker | None:
    """Import all modules, and fork until nobody can ask. Return in each fork what it shall be, here None.

    The first workers, which run Serve's controller and proxy, need the `first` modules alone: they are forked
    while a fork of this process imports the others. All later ones are forks of that.
    """
    with suppress(EOFError):
        for name in first:
            _import(name)
        if not can_fork():
            return None
        if then:
            ready, imported = os.pipe()
            gc.freeze()  # Else the collector of each fork writes to every page, and none stays shared.
            if os.fork():
                os.close(imported)
                return _serve_early(requests, ready)
            os.close(ready)
            for name in then:
                if select.select([STANDARD_INPUT], [], [], 0)[0]:
                    return None
                _import(name)
            if not can_fork():
                return None
            os.close(imported)
        gc.collect()
        gc.freeze()
        while requests.wait():
            if worker := requests.next_worker():
                return worker
    return None


def _serve_early(requests: Requests, ready: int) -> Worker | None:
    """Fork the first workers until the other process is `ready` or gone, then stay as their parent."""
    while requests.taken < EARLY_WORKERS and requests.wait(ready):
        if worker := requests.next_worker():
            return worker
    requests.listener.close()
    select.select([STANDARD_INPUT], [], [])
    return None


def _import(name: str) -> None:
    """Import what can be imported; a worker that needs the rest says why it cannot."""
    with suppress(Exception):
        importlib.import_module(name)


def _read(stub: socket.socket, size: int) -> WorkerRequest:
    data = bytearray()
    while len(data) < size and (part := stub.recv(size - len(data))):
        data += part
    values: dict[str, Any] = json.loads(data)
    return WorkerRequest(**values)


def main(*early: str) -> None:
    """Serve workers, once told what; import the `early` modules until then. Each fork runs Ray's program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel then buries forks that end.
    skip_unneeded_imports()
    orders = await_orders(early)
    if orders is None or "ray" in sys.modules:  # It has read another environment.
        return
    os.environ.clear()
    os.environ.update(orders.environment)
    with orders.listener as listener:
        listener.setblocking(False)  # Where two processes see the same request, one finds none.
        requests = Requests(listener, dict(os.environ))  # Imports change the environment.
        if any(name.startswith("ray.") for name in orders.first):
            draw_class_numbers_elsewhere()
        worker = serve(requests, orders.first, orders.then)
    if worker is not None:
        become(worker)
