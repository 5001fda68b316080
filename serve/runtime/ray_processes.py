"""Check whether this machine's Ray processes live, and wait for those that were ended."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import Popen, TimeoutExpired  # nosec B404
from typing import Any

from ray._private import ray_constants, worker
from ray._private.node import Node

from .start_errors import RayEnded

REAPED_WITHIN_S = 30.0

VITAL = {
    ray_constants.PROCESS_TYPE_GCS_SERVER: "control service",
    ray_constants.PROCESS_TYPE_RAYLET: "node",
}


def check() -> None:
    """Raise RayEnded if Ray's control service or node, which this process started, is gone.

    Ray itself runs on without its node for ever, and without its control service for a minute.
    """
    for name, process in _vital():
        if process.poll() is not None:
            how = f"signal {-process.returncode}" if process.returncode < 0 else f"code {process.returncode}"
            raise RayEnded(
                f"Ray's {name} ended ({how}), and the service cannot paint without it;"
                " start the service again: accepted jobs are kept and will continue"
            )


def ended() -> bool:
    """Return whether Ray's control service or node is gone."""
    return any(process.poll() is not None for _, process in _vital())


def _vital() -> Iterator[tuple[str, Popen[bytes]]]:
    node = worker._global_node
    started: dict[str, list[Any]] = node.all_processes if node is not None else {}
    for kind, name in VITAL.items():
        for each in started.get(kind, ()):
            yield name, each.process


def started() -> list[Popen[bytes]]:
    """Return the processes of the node that this process has started, if any."""
    return _processes_of(worker._global_node)


def started_before(error: BaseException) -> list[Popen[bytes]]:
    """Return the processes of a node whose start ended in this error, which alone still refers to it."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    nodes = {id(node): node for node in (frame.f_locals.get("self") for frame in frames)}
    return [each for node in nodes.values() if isinstance(node, Node) for each in _processes_of(node)]


def _processes_of(node: Node | None) -> list[Popen[bytes]]:
    infos: Iterable[list[Any]] = node.all_processes.values() if node is not None else ()
    return [each.process for kind in infos for each in kind]


def reap(processes: Iterable[Popen[bytes]]) -> None:
    """Wait for processes that were ended. Ray waits only a second, too short on a busy machine."""
    for process in processes:
        with suppress(TimeoutExpired):
            process.wait(REAPED_WITHIN_S)


def node_lives() -> bool:
    """Return whether a child of this process is a raylet, or True if the kernel lists no children."""
    known = False
    for listing in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):
            children = listing.read_text().split()
            known = True
            if any(_is_a_raylet(child) for child in children):
                return True
    return not known


def _is_a_raylet(process: str) -> bool:
    with suppress(OSError, IndexError):
        name, _, rest = Path(f"/proc/{process}/stat").read_text().partition("(")[2].rpartition(")")
        return name == "raylet" and rest.split()[0] not in "ZX"
    return False
