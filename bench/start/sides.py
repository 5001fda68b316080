"""Start one side and measure the seconds and the CPU seconds of each phase until it is ready."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.start.process_table import Process, processes

OURS, BARE = "scripts/serve", "bare Ray Serve"
PHASES = ("imports and configuration", "Ray", "Serve's controller and proxy", "replicas, models and warm-up")
ENDS_OF_PHASES = {
    OURS: ("starting Ray…", "starting Ray Serve…", "loading the models…", "ready in "),
    BARE: ("imported", "Ray", "Serve", "ready"),
}
"""The beginning of the line that ends each phase."""
COMMANDS = {
    OURS: ("-m", "serve.cli", "serve", "--port", "0", "--config"),
    BARE: ("-m", "bench.start.bare_serve"),
}
ENDS_WITHIN_S = 60.0


class NotStarted(RuntimeError):
    """A side ended before it was ready."""


@dataclass(frozen=True, kw_only=True)
class Started:
    """Wall-clock and CPU seconds by phase, and the processes that existed at the end."""

    seconds: list[float]
    cpu_s: list[float]
    table: list[Process]
    root: int


@contextmanager
def started(side: str, config: str) -> Iterator[Started]:
    """Start a side with a new state folder, and stop it when the block ends."""
    arguments = [*COMMANDS[side], *([config] if side == OURS else [])]
    with (
        tempfile.TemporaryDirectory(prefix="sws-") as state,
        subprocess.Popen(
            [sys.executable, *arguments],
            env=os.environ | {"SCENEWRIGHT_STATE_DIR": state, "PYTHONPATH": str(Path.cwd())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        try:
            yield _read_through(process, ENDS_OF_PHASES[side])
        finally:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.close()
            if side == OURS:
                process.send_signal(signal.SIGINT)
            process.stdout.read()
            process.wait(ENDS_WITHIN_S)


def _read_through(process: subprocess.Popen[str], ends: Sequence[str]) -> Started:
    assert process.stdout is not None
    began, past_s, past_cpu_s = time.monotonic(), 0.0, 0.0
    seconds, cpu_s, table = list[float](), list[float](), list[Process]()
    for line in process.stdout:
        if not line.startswith(ends[len(seconds)]):
            continue
        now_s, table = time.monotonic() - began, processes(process.pid)
        now_cpu_s = sum(each.cpu_s for each in table)
        seconds.append(now_s - past_s)
        cpu_s.append(now_cpu_s - past_cpu_s)
        past_s, past_cpu_s = now_s, now_cpu_s
        if len(seconds) == len(ends):
            return Started(seconds=seconds, cpu_s=cpu_s, table=table, root=process.pid)
    raise NotStarted(f"{process.args!r} ended before it was ready")
