"""Ray nodes like the pods of kubernetes/base: each starts with its own empty state folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

RAY = Path(sys.executable).with_name("ray")
REPOSITORY = Path(__file__).parents[2]
COMMON = (
    "--node-ip-address=127.0.0.1",
    "--object-store-memory=150000000",
    "--disable-usage-stats",
    "--block",
)


def can_mount() -> bool:
    """Return whether this user may give a process its own disk."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


class Pod:
    """One node, whose `state` is a file system that disappears with it."""

    def __init__(self, state: Path, log: Path, environment: dict[str, str], *options: str) -> None:
        script = f'mount -t tmpfs tmpfs {state} && exec "$@"'
        command = ["unshare", "-m", "--propagation", "private", "bash", "-c", script, "pod"]
        with log.open("wb") as output:
            self._process = psutil.Popen(
                [*command, str(RAY), "start", *options, *COMMON],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=REPOSITORY,
                env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)},
            )

    @property
    def ended(self) -> bool:
        """Return whether the node ended by itself, as Ray's do if their helpers take more than 30 s."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kill all of its processes at once, as a power cut does."""
        with suppress(psutil.NoSuchProcess):
            mine = [*self._process.children(recursive=True), self._process]
            for process in mine:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(mine, timeout=20)
