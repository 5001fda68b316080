"""Check whether forks of this process are independent, and keep them so while modules are imported."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

THREADS = Path("/proc/self/task")
DRAWN_BYTES = 64
SETTLED_S, POLL_S = 0.3, 0.01


def draw_class_numbers_elsewhere() -> None:
    """Make Ray number actor classes without its core's random number generator from now on.

    Ray numbers each class when the module that defines it is imported. The generator is seeded once in a
    process, so all forks of a process that has used it draw the same numbers. Two workers that put an object
    into the store at the same time would give it the same number, and Ray would end one of them.
    """
    with suppress(ImportError):
        import ray.actor

        module: Any = ray.actor
        module.ActorClassID = _NumbersOfTheSystem


class _NumbersOfTheSystem:
    """A replacement for Ray's ActorClassID where Ray draws one: the system's random numbers."""

    @staticmethod
    def from_random() -> Any:
        from ray import ActorClassID

        return ActorClassID(os.urandom(ActorClassID.size()))


def can_fork() -> bool:
    """Return whether a fork would be able to run, and would draw other numbers than other forks.

    A second thread could hold a lock that the fork would wait for. A generator that has been used would give
    all forks the same numbers.
    """
    return _has_one_thread() and _fork_that_draws() != _fork_that_draws()


def _has_one_thread() -> bool:
    """Return whether this process has one thread, now or soon: a joined thread stays listed for a moment."""
    deadline = time.monotonic() + SETTLED_S
    while len(list(THREADS.iterdir())) > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _fork_that_draws() -> bytes:
    """Fork, and return the random bytes that the fork draws from Ray's core, or else from the system."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, _drawn())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as file, suppress(ChildProcessError):
        data = file.read(DRAWN_BYTES)
        os.waitpid(child, 0)
    return data


def _drawn() -> bytes:
    core: Any = sys.modules.get("ray._raylet")
    if core is None:
        return os.urandom(DRAWN_BYTES)
    number: bytes = core.PlacementGroupID.of(core.JobID.nil()).binary()
    return number
