"""Read the CPU time and memory of a service's processes from /proc."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import psutil

NAMES = (
    (r"^\S*/raylet/raylet\b", "Ray's node"),  # Its command line holds its helpers'.
    (r"ray::ServeReplica:\w+:(\w+)|ray::SERVE_REPLICA::\w+#(\w+)#", "replica {}"),
    (r"ray::ServeController", "Serve's controller"),
    (r"ray::ProxyActor", "Serve's proxy"),
    (r"ray::DashboardAgent|dashboard/agent\.py", "Ray's metrics agent"),
    (r"ray::RuntimeEnvAgent|runtime_env/agent/main\.py", "Ray's environment agent"),
    (r"ray::|default_worker\.py|worker_stub\.py", "a spare worker"),
    (r"fork_server\.server", "the fork server"),
    (r"dashboard/dashboard\.py", "Ray's dashboard head"),
    (r"log_monitor\.py", "Ray's log monitor"),
    (r"monitor\.py", "Ray's autoscaler monitor"),
    (r"gcs_server", "Ray's control service"),
    (r"orphan_reaper\.py|ray_process_reaper\.py", "the reaper"),
)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A process. `pss_bytes` includes its proportional share of the pages that it shares with others."""

    number: int
    name: str
    cpu_s: float
    pss_bytes: int


def processes(root: int) -> list[Process]:
    """Return the process `root` and all its descendants, including those that a fork server has forked."""
    return list(_read(root))


def _read(root: int) -> Iterator[Process]:
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(root)
        for each in (top, *top.children(recursive=True)):
            with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                times = each.cpu_times()
                name = "the driver" if each == top else name_of(" ".join(each.cmdline()))
                yield Process(
                    number=each.pid,
                    name=name,
                    cpu_s=times.user + times.system,
                    pss_bytes=each.memory_full_info().pss,
                )


def name_of(command: str) -> str:
    """Name a process by its command line."""
    for pattern, name in NAMES:
        if found := re.search(pattern, command):
            return name.format(*(group for group in found.groups() if group))
    return "another"
