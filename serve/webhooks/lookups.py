"""Look up the hosts of webhooks, in separate threads.

A lookup cannot be stopped: if the name servers are silent, it goes on after the attempt has timed out. In
the event loop's own threads it would hold up all other lookups, and the database.
"""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any


class Lookups:
    """A pool of `at_once` threads that look up host names."""

    def __init__(self, at_once: int) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="webhook-lookups")
        self._abandoned: dict[asyncio.Future[Any], str] = {}

    def abandoned(self) -> list[str]:
        """Return the owner of each lookup that is still running although nobody waits for it."""
        return list(self._abandoned.values())

    async def addresses(self, host: str, port: int, owner: str) -> list[str]:
        """Return the current addresses of a host name. Raises OSError if it has none."""
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        try:
            return [str(entry[4][0]) for entry in await asyncio.shield(found)]
        except asyncio.CancelledError:
            self._abandoned[found] = owner
            found.add_done_callback(self._ended)
            raise

    def _ended(self, lookup: asyncio.Future[Any]) -> None:
        del self._abandoned[lookup]
        if not lookup.cancelled():
            lookup.exception()  # Otherwise asyncio logs that it was never retrieved.

    def close(self) -> None:
        """Start no more lookups, and wait for none."""
        for found in self._abandoned:
            found.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
