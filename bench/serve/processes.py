"""Run a side in a separate Ray, and so in a separate process, since a process can have only one Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from serve.runtime.listen_address import free_port


@contextmanager
def running_server(module: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the address that `python -m module` prints when it is up. Closing its stdin ends it."""
    command = [sys.executable, "-m", module]
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        ) as own,
    ):
        assert own.stdin is not None
        assert own.stdout is not None
        address = next((line for line in own.stdout if line.startswith("http://")), None)
        if address is None:
            said.seek(0)
            raise SystemExit(f"{module} did not start: {said.read()}")
        try:
            yield address.strip()
        finally:
            own.stdin.close()
            own.stdout.read()  # Else it would write its last lines into a closed pipe.


def haproxy() -> dict[str, str]:
    """Return the environment of a Ray whose edge is behind HAProxy, with free ports."""
    ports = ("HAPROXY_STATS", "HAPROXY_METRICS", "FALLBACK_PROXY_HTTP")
    return {"RAY_SERVE_ENABLE_HA_PROXY": "1"} | {f"RAY_SERVE_{port}_PORT": str(free_port()) for port in ports}
