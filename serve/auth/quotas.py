"""The quota of one tenant in one process: a token bucket of work, and requests at once.

Work of a tenant with a rate or a month's budget is counted across all edge replicas (shared_quota.py);
requests at once are each replica's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ..http.error_responses import Refusal

Reason = Literal["rate", "budget", "concurrent"]


class OverLimit(Refusal):
    """429 `rate_limited`, and for what `reason`."""

    def __init__(self, message: str, wait_s: float, reason: Reason) -> None:
        super().__init__(429, "rate_limited", message, retry_after_s=wait_s)
        self.reason = reason


@dataclass
class Quota:
    """The quota of one tenant.

    `rate` and `burst` in megapixel-steps; None is without bounds. Time is passed in.
    """

    rate: float | None = None
    burst: float | None = None
    concurrent: int | None = None
    _began: list[float] = field(default_factory=list, init=False)
    _took_s: float = field(default=0.0, init=False)
    _left: float = field(default=0.0, init=False)
    _at: float | None = field(default=None, init=False)

    @contextmanager
    def under_way(self, clock: Callable[[], float]) -> Iterator[None]:
        """Count a request while the block lasts.

        Raises Refusal 429, to be retried when the oldest request has taken as long as the last one.
        """
        now = clock()
        if self.concurrent is not None and len(self._began) >= self.concurrent:
            message = f"this key may have {self.concurrent} requests under way at once"
            wait_s = max(0.0, min(self._began) + self._took_s - now)
            raise OverLimit(message, wait_s, "concurrent")
        self._began.append(now)
        try:
            yield
        finally:
            self._began.remove(now)
            self._took_s = clock() - now

    def is_new(self, now: float) -> bool:
        """Return True once nothing that was used counts any more."""
        if self._began:
            return False
        if self.rate is None or self._at is None:
            return True
        return self._left + self.rate * (now - self._at) >= (self.burst or self.rate)

    async def charge(self, amount: float, now: float) -> None:
        """Spend as `spend` does, wherever that is counted."""
        self.spend(amount, now)

    async def check_budget(self) -> None:
        """Raise Refusal 429 where nothing is left of the month's budget."""

    def refuse_impossible(self, amount: float) -> None:
        """Raise Refusal 422 for what is never allowed at once."""
        burst = self.rate if self.burst is None else self.burst
        if burst is not None and self.rate is not None and amount > burst:
            message = f"this takes {amount:.1f} megapixel-steps, and this key allows {burst:g} at once"
            raise Refusal(422, "invalid_request", message)

    def at_once(self, amount: float) -> float:
        """Return the amount, or what may be spent at once where that is less."""
        burst = self.rate if self.burst is None else self.burst
        return amount if burst is None or self.rate is None else min(amount, burst)

    def spend(self, amount: float, now: float) -> None:
        """Spend `amount`, in megapixel-steps.

        Raises Refusal 429 with the seconds until it could be spent, and 422 where it never can be.
        """
        if self.rate is None:
            return
        self.refuse_impossible(amount)
        burst = self.rate if self.burst is None else self.burst
        self._left = burst if self._at is None else min(burst, self._left + self.rate * (now - self._at))
        self._at = now
        if amount > self._left:
            wait_s = (amount - self._left) / self.rate
            message = f"this key's quota allows it in {wait_s:.1f} s"
            raise OverLimit(message, wait_s, "rate")
        self._left -= amount

    def give_back(self, amount: float) -> None:
        """Return what was spent on work of which nothing was made."""
        if self.rate is not None:
            burst = self.rate if self.burst is None else self.burst
            self._left = min(burst, self._left + amount)
