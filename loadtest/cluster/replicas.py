"""Watch replicas over time, as a Ray cluster reports them through loadtest.cluster.ray_agent."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

READY_TIMEOUT_S = 60.0


class ClusterError(RuntimeError):
    """The cluster failed. The message can be shown to the user."""


class Replicas:
    """Watch the replicas while inside an `async with` block. `seen` lists the reports."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._now: Callable[[], float] = lambda: 0.0
        self.seen: list[dict[str, Any]] = []
        self._ended: asyncio.Queue[str | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        """Start watching. Raises ClusterError if the cluster does not respond."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "loadtest.cluster.ray_agent", self._address),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        first = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT_S):
                first = await self._line()
        if not first:
            await self._stop()
            raise ClusterError(f"the Ray cluster at {self._address} did not report its Serve replicas")
        self._reading = asyncio.create_task(self._read())
        return self

    def clock(self, now: Callable[[], float]) -> None:
        """Time reports by this clock from now on, and drop the earlier ones."""
        self.seen.clear()
        self._now = now

    async def __aexit__(self, *raised: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._stop()

    async def end_one(self, deployment: str) -> str | None:
        """End one replica. Return the name of its actor, or None if there was none."""
        assert self._process.stdin is not None  # noqa: S101 (for mypy: it was requested)
        self._process.stdin.write(f"end {deployment}\n".encode())
        await self._process.stdin.drain()
        return await self._ended.get()

    async def _read(self) -> None:
        while line := await self._line():
            message = json.loads(line)
            if "ended" in message:
                self._ended.put_nowait(message["ended"])
            else:
                self.seen.append({"at_s": round(self._now(), 2), **message})
        self._ended.put_nowait(None)  # The agent is gone: end the wait for its response.

    async def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (for mypy: it was requested)
        return await self._process.stdout.readline()

    async def _stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
