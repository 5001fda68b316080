"""Limit streams that may stay open for long: in total, and per tenant, with max-min fairness.

A stream that waits costs little, but each holds one of the slots that Ray Serve gives a replica. So their
number is limited, and a request for one more is refused at once, with 429.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from .error_responses import Refusal

LONGEST_RETRY_S = 30.0
MOST_LEAVING = 16
"""The most streams that may have lost their place and not ended yet, since their clients read nothing."""
LEAVING_S = 2.0


@dataclass(eq=False)
class OpenStream:
    """A place in the budget. `recalled` is set when another tenant gets it: the stream then ends.

    It also ends when it has lasted for `lasts_s`.
    """

    tenant: str
    since: float
    lasts_s: float
    recalled: asyncio.Event = field(default_factory=asyncio.Event)


class StreamBudget:
    """The streams of one process.

    At most `most` streams are open at once, and `most_per_tenant` of one tenant.

    If all are taken, a tenant with at least two streams fewer than another gets the place of the other's
    oldest stream. So a new tenant is let in as long as another has two. Callers without a tenant name, if no
    key is required, may have all of them. `lasts_s`: the longest that a stream is open.
    """

    def __init__(
        self,
        most: int,
        most_per_tenant: int,
        lasts_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._most_per_tenant = most_per_tenant
        self._lasts_s = lasts_s
        self._clock = clock
        self._open: dict[str, list[OpenStream]] = {}
        self._leaving = 0

    def check(self, tenant: str) -> OpenStream | None:
        """Return the stream whose place a new one would take, if any. Raises Refusal 429 if it gets none."""
        mine = self._open.get(tenant, [])
        if tenant and len(mine) >= self._most_per_tenant:
            message = f"this key's tenant may have {self._most_per_tenant} event streams open at once"
            raise Refusal(429, "rate_limited", message, retry_after_s=self._frees_in_s(mine))
        if sum(map(len, self._open.values())) < self._most:
            return None
        most = max(self._open.values(), key=len)
        if len(most) < len(mine) + 2:
            every = [stream for streams in self._open.values() for stream in streams]
            message = f"all {self._most} event streams are in use; try again shortly"
            raise Refusal(429, "overloaded", message, retry_after_s=self._frees_in_s(every))
        if self._leaving >= MOST_LEAVING:
            message = "other event streams are being closed to make room; try again shortly"
            raise Refusal(429, "overloaded", message, retry_after_s=LEAVING_S)
        return most[0]

    @contextmanager
    def open(self, tenant: str) -> Iterator[OpenStream]:
        """Count one stream for as long as the block lasts. Raises Refusal 429."""
        oldest = self.check(tenant)
        if oldest is not None:
            oldest.recalled.set()
            self._leaving += 1
            self._forget(oldest)
        stream = OpenStream(tenant, self._clock(), self._lasts_s)
        self._open.setdefault(tenant, []).append(stream)
        try:
            yield stream
        finally:
            if stream.recalled.is_set():
                self._leaving -= 1
            self._forget(stream)

    def _forget(self, stream: OpenStream) -> None:
        left = self._open.get(stream.tenant, [])
        if stream in left:
            left.remove(stream)
        if not left:
            self._open.pop(stream.tenant, None)

    def _frees_in_s(self, streams: list[OpenStream]) -> float:
        """Return the seconds until a place frees at the latest.

        Streams mostly end earlier, so retrying sooner is worth it.
        """
        oldest = min(stream.since for stream in streams)
        return min(LONGEST_RETRY_S, max(1.0, oldest + self._lasts_s - self._clock()))
