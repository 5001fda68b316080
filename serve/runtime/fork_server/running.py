"""Run a fork server beside a private Ray, and make Ray's node start its workers through it."""

from __future__ import annotations

import inspect
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from pathlib import Path
from typing import Any

from ray._private import services

from . import process, worker_stub

LISTENS_WITHIN_S = 1.0
NO_JOB = "ffffffff"
"""Ray's id of no job: a worker with it takes the first job that it is given."""


@contextmanager
def forking_workers(
    folder: str, first: Sequence[str], then: Sequence[str] = ()
) -> Iterator[Callable[[], bool]]:
    """Fork the workers of each node that starts in the block from a process that has these modules.

    The first workers are forked once it has imported `first`, all others once it has imported `then` too.
    Yields a function that returns whether workers are forked.

    The server's socket is in `folder`, which only this account can use, and the server lives as long as the
    block. A worker that it cannot serve starts as Ray would start it, and all do if `process.SWITCH` is 0.
    """
    if process.is_switched_off():
        yield lambda: False
        return
    path = f"{folder}/fork-server"
    forks = process.taken()
    os.environ[worker_stub.SOCKET] = path
    try:
        forks.serve(path, first, then, {**os.environ, **_read_once()})
        with _workers_by_the_stub():
            yield partial(is_listening, path)
    finally:
        os.environ.pop(worker_stub.SOCKET, None)
        forks.end()


def is_listening(path: str) -> bool:
    """Return whether a fork server listens at the socket `path`."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(LISTENS_WITHIN_S)
        return caller.connect_ex(path) == 0


@contextmanager
def _workers_by_the_stub() -> Iterator[None]:
    start: Callable[..., Any] = services.start_raylet
    signature = inspect.signature(start)

    @wraps(start)
    def start_with_the_stub(*arguments: Any, **options: Any) -> Any:
        given = signature.bind(*arguments, **options)
        os.environ[worker_stub.PROGRAM] = given.arguments["worker_path"]
        given.arguments["worker_path"] = str(Path(worker_stub.__file__).absolute())
        return start(*given.args, **given.kwargs)

    services.start_raylet = start_with_the_stub
    try:
        yield
    finally:
        services.start_raylet = start
        os.environ.pop(worker_stub.PROGRAM, None)


def _read_once() -> dict[str, str]:
    """Return the variables that Ray's core reads when it is imported, and never again.

    It checks whether the node's process lives, which has no number yet. This process's number is given
    instead, since the node never outlives it.
    """
    return {"RAY_JOB_ID": NO_JOB, "RAY_RAYLET_PID": str(os.getpid())}
