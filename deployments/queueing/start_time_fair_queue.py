"""Order the work of several tenants so that each gets an equal share, however much one requests.

Start-time fair queueing (Goyal, Vin and Cheng 1996): each tenant's work is laid end to end on one virtual
time, and the piece that begins first is next. No clock, no Ray and no asyncio.
"""

from __future__ import annotations

from collections.abc import Iterable


class FairQueue:
    """Remember how much of each tenant's work was started. An idle tenant is owed nothing."""

    def __init__(self) -> None:
        self._ends: dict[str, float] = {}
        self._virtual = 0.0

    def ordered(self, tenants: Iterable[str]) -> list[str]:
        """Return the tenants, the one whose turn it is first; equals stay in the order given."""
        return sorted(dict.fromkeys(tenants), key=self._begin)

    def start(self, tenant: str, cost: float) -> None:
        """Count a piece of work as started."""
        self._virtual = max(self._virtual, self._begin(tenant))
        self._ends[tenant] = self._begin(tenant) + cost
        self._ends = {name: end for name, end in self._ends.items() if end > self._virtual}

    def _begin(self, tenant: str) -> float:
        return max(self._virtual, self._ends.get(tenant, 0.0))
