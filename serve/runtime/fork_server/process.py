"""Start the fork server's process, early if a service will start, and then send it its orders.

Until they arrive it imports what most replicas need. It must not import Ray before that, since Ray reads the
environment when it is imported. Ray is not imported here either.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, Popen  # nosec B404

from . import server

SWITCH = "SCENEWRIGHT_FORK_WORKERS"
BEGIN = (
    f"import sys; sys.path.append(sys.argv.pop(1)); from {server.__name__} import main; main(*sys.argv[1:])"
)
"""It imports nothing from the working directory, and neither does a worker."""
HERE = str(Path(__file__).absolute().parents[3])
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""A fork would not have the threads of a pool."""
DEVICES = ("/dev/nvidiactl", "/dev/kfd")
"""A library that looks for a GPU while it is imported would leave the forks without one."""
EARLY = (
    "torch",
    "transformers.modeling_utils",
    "transformers.models.clip.modeling_clip",
    "diffusers.models.modeling_utils",
    "diffusers.pipelines.pipeline_utils",
    "deployments.diffusion.model.pipeline_painter",
)
"""Modules to import early, in small steps, since the process checks for its orders between two of them."""


class ForkServer:
    """A process that will become a fork server. It ends with this one, or when `end` is called."""

    def __init__(self, early: Sequence[str] = ()) -> None:
        self._orders, theirs = socket.socketpair()
        with theirs:
            self._process = Popen(  # noqa: S603  # nosec B603
                [sys.executable, "-P", "-c", BEGIN, HERE, *early],
                stdin=theirs.fileno(),
                stdout=DEVNULL,
                stderr=DEVNULL,
                env=os.environ | ONE_THREAD,
                start_new_session=True,
            )

    def serve(
        self, path: str, first: Sequence[str], then: Sequence[str], environment: dict[str, str]
    ) -> None:
        """Make the process serve at the socket `path`, which exists when this returns.

        It forks the first workers once it has imported `first`, and all others once it has imported `then`
        too.
        """
        orders = {"first": [*first], "then": [*then], "environment": environment | ONE_THREAD}
        data = json.dumps(orders).encode() + b"\n"
        with suppress(OSError), server.listen(path) as listener:  # Otherwise Ray starts all workers.
            sent = socket.send_fds(self._orders, [data], [listener.fileno()])
            self._orders.sendall(data[sent:])

    def end(self) -> None:
        """End the process, and those of its forks that are not workers yet."""
        self._orders.close()
        # A fork that still imports is in the process's group, and workers have groups of their own. The
        # number is not reused until the process is waited for.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


_begun: list[ForkServer] = []


@contextmanager
def begun_early(config: str) -> Iterator[None]:
    """Start the process before the command imports Ray. A service that starts in the block takes it.

    `config` is the Serve file. No process is started if nothing would use what it imports.
    """
    if not _is_wanted(config):
        yield
        return
    _begun.append(ForkServer(EARLY))
    try:
        yield
    finally:
        while _begun:
            _begun.pop().end()


def taken() -> ForkServer:
    """Return the process that was started early, or a new one."""
    return _begun.pop() if _begun else ForkServer()


def is_switched_off() -> bool:
    return os.environ.get(SWITCH) == "0"


def _is_wanted(config: str) -> bool:
    if is_switched_off() or any(Path(device).exists() for device in DEVICES):
        return False
    for place in (Path(config), Path(HERE) / config):  # Found as by serve_file, which imports Ray.
        with suppress(OSError):
            return "backend: simulated" not in place.read_text(encoding="utf-8", errors="replace")
    return False
