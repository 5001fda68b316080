"""Start the fork server's process, early where a service is to start, and tell it what to serve.

It imports what most replicas need until it is told. Ray must not be imported before that, for it reads the
environment only then; nor is it imported here.
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
"""Import nothing from the working directory, as a worker does not."""
HERE = str(Path(__file__).absolute().parents[3])
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""A pool of threads is what no fork would have."""
DEVICES = ("/dev/nvidiactl", "/dev/kfd")
"""A library that looks for a GPU while it is imported would leave its forks without one."""
EARLY = (
    "torch",
    "transformers.modeling_utils",
    "transformers.models.clip.modeling_clip",
    "diffusers.models.modeling_utils",
    "diffusers.pipelines.pipeline_utils",
    "deployments.diffusion.model.pipeline_painter",
)
"""In small steps: between two of them it sees what it is to serve."""


class ForkServer:
    """A process that is to become a fork server. It ends with this one, and with `end`."""

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
        """Have it serve at the socket `path`, which is there when this returns.

        The first workers are forked once it has `first`, all others once it has `then` too.
        """
        orders = {"first": [*first], "then": [*then], "environment": environment | ONE_THREAD}
        data = json.dumps(orders).encode() + b"\n"
        with suppress(OSError), server.listen(path) as listener:  # Else all workers start by Ray.
            sent = socket.send_fds(self._orders, [data], [listener.fileno()])
            self._orders.sendall(data[sent:])

    def end(self) -> None:
        """End it, and what it has forked that is no worker yet."""
        self._orders.close()
        # A fork of it that still imports is in its group; workers have groups of their own. The number is its
        # own until it is waited for.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


_begun: list[ForkServer] = []


@contextmanager
def begun_early(config: str) -> Iterator[None]:
    """Start the process before the command imports Ray; a service that starts in the block takes it.

    None is started where nothing would use what it imports: `config` is the Serve file.
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
    """Return the process that was begun early, else start one."""
    return _begun.pop() if _begun else ForkServer()


def is_switched_off() -> bool:
    return os.environ.get(SWITCH) == "0"


def _is_wanted(config: str) -> bool:
    if is_switched_off() or any(Path(device).exists() for device in DEVICES):
        return False
    for place in (Path(config), Path(HERE) / config):  # As serve_file finds it, which imports Ray.
        with suppress(OSError):
            return "backend: simulated" not in place.read_text(encoding="utf-8", errors="replace")
    return False
