"""Say whether forks of this process are workers of their own, and keep them so while modules are imported."""

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
    """Have Ray number classes of actors without its core's generator of random numbers, from now on.

    It numbers each when a module that defines it is imported. The generator is seeded once in a process, so
    that all forks of one that has used it draw alike: two workers that put an object into the store at the
    same time then give it the same number, and Ray ends one of them.
    """
    with suppress(ImportError):
        import ray.actor

        module: Any = ray.actor
        module.ActorClassID = _NumbersOfTheSystem


class _NumbersOfTheSystem:
    """Stand in for Ray's ActorClassID, where it draws one."""

    @staticmethod
    def from_random() -> Any:
        from ray import ActorClassID

        return ActorClassID(os.urandom(ActorClassID.size()))


def can_fork() -> bool:
    """Return whether a fork is whole, and unlike any other.

    A second thread could hold a lock that the fork would wait for; a generator that has been used would give
    all forks the same numbers.
    """
    return _has_one_thread() and _fork_that_draws() != _fork_that_draws()


def _has_one_thread() -> bool:
    """Return whether it has, at once or soon: the system shows one that has been joined a little longer."""
    deadline = time.monotonic() + SETTLED_S
    while len(list(THREADS.iterdir())) > 1:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _fork_that_draws() -> bytes:
    """Return what a fork draws: random bytes of Ray's core, or of the system where there is none."""
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
