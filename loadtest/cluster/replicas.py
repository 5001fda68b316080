"""Replicas over time, as a Ray cluster tells them through loadtest.cluster.ray_agent."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

READY_TIMEOUT_S = 60.0


class ClusterError(RuntimeError):
    """Fit to be shown as it is."""


class Replicas:
    """Watches from when the block is entered until it is left; `seen` is what it saw."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._now: Callable[[], float] = lambda: 0.0
        self.seen: list[dict[str, Any]] = []
        self._ended: asyncio.Queue[str | None] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        """Raises ClusterError where the cluster does not answer."""
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
            raise ClusterError(f"the Ray cluster at {self._address} did not tell of its Serve replicas")
        self._reading = asyncio.create_task(self._read())
        return self

    def clock(self, now: Callable[[], float]) -> None:
        """From here on, what is seen carries these times; what was seen before is forgotten."""
        self.seen.clear()
        self._now = now

    async def __aexit__(self, *raised: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._stop()

    async def end_one(self, deployment: str) -> str | None:
        """The name of the replica's actor that was ended, or None where there was none."""
        assert self._process.stdin is not None  # noqa: S101 (for mypy: it was asked for)
        self._process.stdin.write(f"end {deployment}\n".encode())
        await self._process.stdin.drain()
        return await self._ended.get()

    async def _read(self) -> None:
        while line := await self._line():
            told = json.loads(line)
            if "ended" in told:
                self._ended.put_nowait(told["ended"])
            else:
                self.seen.append({"at_s": round(self._now(), 2), **told})
        self._ended.put_nowait(None)  # The agent is gone: whoever waits for its answer waits no longer.

    async def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 (for mypy: it was asked for)
        return await self._process.stdout.readline()

    async def _stop(self) -> None:
        with suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
