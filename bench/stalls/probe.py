"""Record how late an event loop is, from within a process of the service.

`install` is called at the start of every Python process that finds a module with the text SITECUSTOMIZE on
its path, so it also runs in checkouts that do not contain it. Two kinds of process have such a loop: Serve's
proxy (uvicorn) and the ingress (Starlette).
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = "SCENEWRIGHT_STALLS"
"""The environment variable that names the folder of the reports: one file per process and loop."""
EVERY_S = 0.005
SHORTEST_S = 0.005
"""Shorter delays are not recorded."""
SITECUSTOMIZE = "from bench.stalls.probe import install\ninstall()\n"


class Delay(NamedTuple):
    """Lateness of a loop in seconds, and the most of it that its own process can have caused."""

    late_s: float
    own_s: float


def install() -> None:
    """Start a probe in the loop of each server that listens in this process, once it does."""
    if not os.environ.get(FOLDER):
        return
    from starlette.applications import Starlette
    from uvicorn import Server

    watched: dict[int, asyncio.Task[None]] = {}

    def begin(part: str) -> None:
        loop = asyncio.get_running_loop()
        if id(loop) not in watched:
            watched[id(loop)] = loop.create_task(watch(Path(os.environ[FOLDER]) / f"{part}-{os.getpid()}"))

    startup, call = Server.startup, Starlette.__call__

    async def probed_startup(self: Server, sockets: Any = None) -> None:
        begin("proxy")
        await startup(self, sockets=sockets)

    async def probed_call(self: Starlette, *arguments: Any) -> None:
        begin("ingress")
        await call(self, *arguments)

    Server.startup = probed_startup  # type: ignore[method-assign]
    Starlette.__call__ = probed_call  # type: ignore[method-assign]


async def watch(report: Path) -> None:
    """Sleep repeatedly, and write when each late sleep was due (time.monotonic), how late it was, and why.

    The third number is the processor time that all threads of this process took meanwhile: the process cannot
    have delayed its own loop by more. For the rest of the delay other processes had the processors.
    """
    with report.open("a", buffering=1) as lines:
        while True:
            due, worked_s = time.monotonic() + EVERY_S, time.process_time()
            await asyncio.sleep(EVERY_S)
            late_s, worked_s = time.monotonic() - due, time.process_time() - worked_s
            if late_s >= SHORTEST_S:
                lines.write(f"{due:.6f} {late_s:.6f} {min(late_s, worked_s):.6f}\n")


def idle() -> None:
    """Watch an idle loop in this process, to see the delays that the machine alone causes."""
    asyncio.run(watch(Path(os.environ[FOLDER]) / f"idle-{os.getpid()}"))


def read_reports(folder: Path, part: str, since: float, until: float) -> list[Delay]:
    """Return the delays of all loops of `part` that were due between the two times."""
    found = []
    for report in folder.glob(f"{part}-*"):
        for line in report.read_text().splitlines():
            due, late_s, own_s = map(float, line.split())
            if since <= due <= until:
                found.append(Delay(late_s, own_s))
    return sorted(found)


if __name__ == "__main__":
    idle()
