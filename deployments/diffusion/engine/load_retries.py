"""Decide when a model that did not load is tried again: no clock, no thread. Times are passed in.

Most causes pass: a share that was not mounted yet, memory that another process held, a hub that was down, a
file that an operator puts right. So it is tried for as long as the replica lives, ever less often.
"""

from __future__ import annotations

FIRST_S = 1.0
LONGEST_S = 30.0


class LoadRetries:
    """Exponential backoff. Nothing is due before the first failure."""

    def __init__(self) -> None:
        self._wait_s = FIRST_S
        self._due_at: float | None = None

    def failed(self, now: float) -> float:
        """Return seconds until the next attempt is due."""
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_S)
        self._due_at = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        self._wait_s, self._due_at = FIRST_S, None

    def take(self, now: float) -> bool:
        """Return whether an attempt is due; if so, the caller makes it, and reports how it ended."""
        if self._due_at is None or now < self._due_at:
            return False
        self._due_at = None
        return True
