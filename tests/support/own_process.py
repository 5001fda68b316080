"""Run a real `scenewright serve` in a separate process, which a test may kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from serve.runtime.listen_address import free_port
from tests.support.polling import until

REPOSITORY = Path(__file__).parents[2]


@dataclass
class Served:
    """A running service; `out` is the file with its output."""

    process: subprocess.Popen[bytes]
    port: int
    out: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def response(self, path: str) -> httpx.Response | None:
        """Return the response for a path; None while nothing listens."""
        assert self.process.poll() is None, self.out.read_text()
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}{path}", trust_env=False, timeout=5)
        return None

    def ready(self) -> bool:
        reported = self.response("/readyz")
        return reported is not None and reported.status_code == 200

    def tree(self) -> list[psutil.Process]:
        """Return the service's process and all its descendants."""
        own = psutil.Process(self.process.pid)
        return [own, *own.children(recursive=True)]


@contextmanager
def served(
    folder: Path, config: Path, port: int | None = None, settings: dict[str, str] | None = None
) -> Iterator[Served]:
    """Start a service with its state in `folder` and `settings` in its environment.

    At the end stop it as Ctrl-C does, if it still runs.
    """
    port = port or free_port()
    command = [sys.executable, "-m", "serve.cli", "serve", "--config", str(config), "--port", str(port)]
    environment = {**os.environ, "SCENEWRIGHT_STATE_DIR": str(folder / "state"), **(settings or {})}
    out = folder / "out"
    with out.open("w") as written:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, env=environment, stdout=written, stderr=subprocess.STDOUT
        )
    try:
        yield Served(process, port, out)
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        process.wait(90)


def gone(processes: list[psutil.Process]) -> bool:
    """Return whether all have ended; psutil distinguishes a process from a later one with the same pid."""
    return not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes)


def wait_until_ready(service: Served) -> None:
    """Poll until the service can paint."""
    try:
        until(service.ready, timeout_s=300)
    except AssertionError as error:
        raise AssertionError(service.out.read_text()) from error
