"""Ray nodes that are pods as kubernetes/base makes them: each with an empty state folder of its own."""

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
    """Tell whether this user may give a process a disk of its own."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


class Pod:
    """One node, whose `state` is a file system that ends with it."""

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
        """Tell whether it ended by itself, as Ray's node does where its helpers are slower than 30 s."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End all of its processes at once, as a node's power cut does."""
        with suppress(psutil.NoSuchProcess):
            mine = [*self._process.children(recursive=True), self._process]
            for process in mine:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(mine, timeout=20)
