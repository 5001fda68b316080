"""The connections of one listening process: which wait, which work, and which to close if there are too many.

A waiting connection (it has sent no complete header, or is kept alive between two requests) can be closed
without losing any work. So if all places are taken, the one that has waited longest is closed. Silent
connections therefore never keep a caller out, however many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from .connection_limits import ConnectionLimits

LOOKED_AT = 64
"""How many of the longest-waiting connections are checked for a response or a request in transit."""


@dataclass(eq=False)
class Connection:
    """`drop` closes it at once; `is_busy` returns whether bytes are in transit, in or out.

    `busy`: whether the table counts it as having a request under way.
    """

    address: str
    drop: Callable[[], None]
    is_busy: Callable[[], bool]
    busy: bool = field(default=False, init=False)


class ConnectionTable:
    """Count one event loop's connections by state and by address."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._waiting: dict[Connection, None] = {}  # The first has waited longest.
        self._working: set[Connection] = set()
        self._sources: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    @property
    def working(self) -> int:
        return len(self._working)

    def enter(self, connection: Connection) -> bool:
        """Take a place for a new connection. Return False if there is none."""
        limits = self.limits
        source = limits.source_of(connection.address)
        if source is not None and self._sources[source] >= limits.connections_per_address:
            return False
        if len(self) >= limits.connections + limits.health_connections and not self._drop_one():
            return False
        if source is not None:
            self._sources[source] += 1
        self._waiting[connection] = None
        return True

    def begin(self, connection: Connection) -> bool:
        """Record that a request's header is complete. Return whether there is room for its work."""
        if connection in self._waiting:
            del self._waiting[connection]
            self._working.add(connection)
            connection.busy = True
        return len(self._working) <= self.limits.connections

    def wait(self, connection: Connection) -> None:
        """Record that a connection has no request under way."""
        if connection in self._working:
            self._working.remove(connection)
            self._waiting[connection] = None
            connection.busy = False

    def leave(self, connection: Connection) -> None:
        """Free a connection's place. Repeated calls do no harm."""
        if connection not in self._waiting and connection not in self._working:
            return
        self._waiting.pop(connection, None)
        self._working.discard(connection)
        source = self.limits.source_of(connection.address)
        if source is not None:
            self._sources[source] -= 1
            if not self._sources[source]:
                del self._sources[source]

    def _drop_one(self) -> bool:
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        silent = (each for each in islice(self._waiting, LOOKED_AT) if not each.is_busy())
        victim = next(silent, oldest)
        self.leave(victim)
        victim.drop()
        return True
