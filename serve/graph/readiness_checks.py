"""Serve any number of simultaneous readiness checks with one probe of the replicas.

A check waits for replicas only until they have reported (readiness.py). A caller that sends many checks
before that could hold all of the edge's slots, and `/healthz` would wait behind them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .readiness import ServiceState

MOST_WAITING = 16
"""Half of the slots reserved for health checks (http/request_slots.py)."""
UNKNOWN = ServiceState(unready=("the replicas are being probed",))


class ReadinessChecks:
    """The readiness checks of one process. `probe` determines the service's state."""

    def __init__(self, probe: Callable[[], Awaitable[ServiceState]]) -> None:
        self._probe = probe
        self._probing: asyncio.Task[ServiceState] | None = None
        self._waiting = 0
        self._last = UNKNOWN

    async def state(self) -> ServiceState:
        """Return the state, or the last known one if many checks are waiting already."""
        if self._probing is None:
            self._probing = asyncio.ensure_future(self._run_probe())
        if self._waiting >= MOST_WAITING:
            return self._last
        self._waiting += 1
        try:
            return await asyncio.shield(self._probing)
        finally:
            self._waiting -= 1

    async def _run_probe(self) -> ServiceState:
        try:
            self._last = await self._probe()
        finally:
            self._probing = None
        return self._last
