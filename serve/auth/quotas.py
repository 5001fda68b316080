"""The quota of one tenant in one process: a token bucket of work, and requests at once.

Work of a tenant with a rate or a monthly budget is counted across all edge replicas (shared_quota.py);
requests at once are counted by each replica alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from ..http.error_responses import Refusal

Reason = Literal["rate", "budget", "concurrent"]


class OverLimit(Refusal):
    """429 `rate_limited`, with its `reason`."""

    def __init__(self, message: str, wait_s: float, reason: Reason) -> None:
        super().__init__(429, "rate_limited", message, retry_after_s=wait_s)
        self.reason = reason


@dataclass
class Quota:
    """The quota of one tenant.

    `rate` and `burst` are in megapixel-steps. None means unlimited. Time is passed in.
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
        """Count a request while the block runs.

        Raises Refusal 429, to be retried when the oldest request has taken as long as the last finished one.
        """
        now = clock()
        if self.concurrent is not None and len(self._began) >= self.concurrent:
            message = f"this key may have {self.concurrent} requests in progress at once"
            wait_s = max(0.0, min(self._began) + self._took_s - now)
            raise OverLimit(message, wait_s, "concurrent")
        self._began.append(now)
        try:
            yield
        finally:
            self._began.remove(now)
            self._took_s = clock() - now

    def is_new(self, now: float) -> bool:
        """Return whether no past use counts any more."""
        if self._began:
            return False
        if self.rate is None or self._at is None:
            return True
        return self._left + self.rate * (now - self._at) >= (self.burst or self.rate)

    async def charge(self, amount: float, now: float) -> None:
        """Spend `amount` as `spend` does, wherever this quota is counted."""
        self.spend(amount, now)

    async def check_budget(self) -> None:
        """Raise Refusal 429 if nothing is left of the monthly budget."""

    def refuse_impossible(self, amount: float) -> None:
        """Raise Refusal 422 for an amount that is never allowed at once."""
        burst = self.rate if self.burst is None else self.burst
        if burst is not None and self.rate is not None and amount > burst:
            message = (
                f"this request needs {amount:.1f} megapixel-steps, but this key allows {burst:g} at once"
            )
            raise Refusal(422, "invalid_request", message)

    def at_once(self, amount: float) -> float:
        """Return the amount, or the most that may be spent at once if that is less."""
        burst = self.rate if self.burst is None else self.burst
        return amount if burst is None or self.rate is None else min(amount, burst)

    def spend(self, amount: float, now: float) -> None:
        """Spend `amount`, in megapixel-steps.

        Raises Refusal 429 with the seconds until it could be spent, and 422 if it never can be.
        """
        if self.rate is None:
            return
        self.refuse_impossible(amount)
        burst = self.rate if self.burst is None else self.burst
        self._left = burst if self._at is None else min(burst, self._left + self.rate * (now - self._at))
        self._at = now
        if amount > self._left:
            wait_s = (amount - self._left) / self.rate
            message = f"this key's quota allows this request in {wait_s:.1f} s"
            raise OverLimit(message, wait_s, "rate")
        self._left -= amount

    def give_back(self, amount: float) -> None:
        """Return what was spent on work that produced nothing."""
        if self.rate is not None:
            burst = self.rate if self.burst is None else self.burst
            self._left = min(burst, self._left + amount)
