"""Start a Ray worker: request it from the fork server, or else run Ray's own program here.

Ray's node runs `python worker_stub.py ARGUMENTS` in place of `python default_worker.py ARGUMENTS`. It imports
only small parts of the standard library, and ends once Ray's node knows the forked worker.
"""

import json
import os
import runpy
import signal
import socket
import sys

SOCKET = "SCENEWRIGHT_FORK_SERVER"
"""The environment variable with the socket's path."""
PROGRAM = "SCENEWRIGHT_WORKER_PROGRAM"
"""The environment variable with the path of Ray's own program for workers."""
LIKE_THE_SERVER = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD")
"""The variables that decide which code a process imports. If they differ, a fork cannot be the worker."""
NUMBER_BYTES = 8
GO, CONNECTED = b"g", b"c"
"""The stub's message to its fork, and the fork's to its stub once Ray's node knows it."""
FORKED_WITHIN_S = 120.0
CONNECTED_WITHIN_S = 60.0
"""Ray's node itself waits for 300 s (PATIENT in private_ray.py), and the fallback needs a part of them."""


def forked_for(path: str, program: str) -> bool:
    """Return whether a fork of the server at `path` is now this worker, and Ray's node knows it.

    If not, no such fork runs, so that this process can become the worker itself. The node would wait long for
    a worker that died while it started, and would take two workers with one number for the same.
    """
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.settimeout(FORKED_WITHIN_S)
            server.connect(path)
            _request(server, program)
            number = int.from_bytes(server.recv(NUMBER_BYTES), "big")
            if not number:
                return False
            server.settimeout(CONNECTED_WITHIN_S)
            server.sendall(GO)
            try:
                return server.recv(1) == CONNECTED
            except TimeoutError:
                os.kill(number, signal.SIGKILL)
                return server.recv(1) == CONNECTED  # Otherwise empty, once the fork is gone.
    except OSError:
        return False


def _request(server: socket.socket, program: str) -> None:
    request = {
        "program": program,
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "folder": os.getcwd(),  # noqa: PTH109
        "executable": sys.executable,
        "niceness": os.getpriority(os.PRIO_PROCESS, 0),
        "oom_score": _oom_score(),
        "umask": _umask(),
    }
    data = json.dumps(request).encode()
    socket.send_fds(server, [len(data).to_bytes(NUMBER_BYTES, "big")], [0, 1, 2])
    server.sendall(data)


def _umask() -> int:
    """Return the umask. It can only be read by setting it, so it is set back."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _oom_score() -> str:
    try:
        with open("/proc/self/oom_score_adj") as file:  # noqa: PTH123
            return file.read().strip()
    except OSError:
        return ""


def main() -> None:
    """Get a worker forked, or run Ray's own program in this process."""
    path, program = os.environ.get(SOCKET, ""), os.environ[PROGRAM]
    if path and forked_for(path, program):
        return
    sys.argv[0] = program
    sys.path[0] = os.path.dirname(program)  # noqa: PTH120
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
