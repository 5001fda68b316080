"""Import modules, then fork a worker for each request, until standard input closes.

The process imports the early modules until its orders arrive on standard input, which is a socket. Requests
wait in the queue of the socket that comes with the orders. The process has one thread, as any process that
forks should, and has drawn no random numbers. If a module changes that, it ends, and Ray starts all workers.
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
    """Listen at a Unix socket that only this account can use."""
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(QUEUE)
    return listener


class Requests:
    """Accept the stubs' requests, and fork for them. This process was started with `environment`."""

    def __init__(self, listener: socket.socket, environment: Mapping[str, str]) -> None:
        self.listener = listener
        self.environment = environment
        self.taken = 0

    def wait(self, closed: int | None = None) -> bool:
        """Wait for a request. Return False if the pipe `closed` is closed, which also ends the wait.

        Raises EOFError if no more requests can come.
        """
        pipes = [STANDARD_INPUT] if closed is None else [STANDARD_INPUT, closed]
        readable, _, _ = select.select([self.listener.fileno(), *pipes], [], [])
        if STANDARD_INPUT in readable:
            raise EOFError
        return closed not in readable

    def next_worker(self) -> Worker | None:
        """Fork for the next request. Return in the fork the worker that it becomes, and None here."""
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
    """The modules to import before the first workers and before the others, and the environment to use."""

    listener: socket.socket
    environment: dict[str, str]
    first: list[str]
    then: list[str]


def await_orders(early: Sequence[str]) -> Orders | None:
    """Import the `early` modules until orders arrive. Return None if none will."""
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
    """Import all modules, and fork for requests. Return in each fork its worker, and None here at the end.

    The first workers, which run Serve's controller and proxy, need only the `first` modules. They are forked
    while a fork of this process imports the others. All later workers are forks of that fork.
    """
    with suppress(EOFError):
        for name in first:
            _import(name)
        if not can_fork():
            return None
        if then:
            ready, imported = os.pipe()
            gc.freeze()  # Otherwise each fork's collector writes to every page, and none stays shared.
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
    """Import a module if possible. A worker that needs one that failed reports why."""
    with suppress(Exception):
        importlib.import_module(name)


def _read(stub: socket.socket, size: int) -> WorkerRequest:
    data = bytearray()
    while len(data) < size and (part := stub.recv(size - len(data))):
        data += part
    values: dict[str, Any] = json.loads(data)
    return WorkerRequest(**values)


def main(*early: str) -> None:
    """Import the `early` modules until orders arrive, then serve workers. Each fork runs Ray's program."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # The kernel then reaps forks that end.
    skip_unneeded_imports()
    orders = await_orders(early)
    if orders is None or "ray" in sys.modules:  # Ray has read another environment.
        return
    os.environ.clear()
    os.environ.update(orders.environment)
    with orders.listener as listener:
        listener.setblocking(False)  # If two processes see the same request, one finds none.
        requests = Requests(listener, dict(os.environ))  # Imports change the environment.
        if any(name.startswith("ray.") for name in orders.first):
            draw_class_numbers_elsewhere()
        worker = serve(requests, orders.first, orders.then)
    if worker is not None:
        become(worker)
