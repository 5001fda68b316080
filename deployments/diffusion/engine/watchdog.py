"""Decide whether this replica is worth keeping, and when to retry a model that failed to load.

A replica is not worth keeping after a step that never ends, the loss of its device or step loop, or repeated
lack of device memory. Most causes of a failed load pass: a share that was not mounted yet, memory held by
another process, a hub that was down, a file that the operator corrects. So loading is retried for as long as
the replica lives, less and less often. There is no clock or thread here: times are passed in.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 60.0
TOO_MANY = 2
WEDGED_STEPS = 50
"""A step is wedged only beyond this multiple of its expected seconds."""
LOST_DEVICE = (
    "device-side assert",
    "illegal memory access",
    "illegal instruction",
    "misaligned address",
    "unspecified launch failure",
    "uncorrectable ecc",
    "hardware stack error",
    "context is destroyed",
    "has fallen off the bus",
)
"""CUDA's messages (its cudaError_t) after which its context is of no more use in this process."""
FIRST_S = 1.0
LONGEST_S = 30.0


class Unhealthy(Exception):
    """The replica must be replaced. Raised only by health checks, never to a caller."""


class Watchdog:
    """Watch the model's thread. Times are seconds of one monotonic clock, and are passed in."""

    def __init__(self, wedged_after_s: float) -> None:
        self._wedged_after_s = wedged_after_s
        self._act: tuple[float, float] | None = None
        self._out_of_memory_at: deque[float] = deque(maxlen=TOO_MANY)
        self._lost = ""

    def begin_act(self, now: float, expected_s: float = 0.0) -> None:
        """Record that an act of the model's thread begins now and should take `expected_s` seconds."""
        self._act = now, max(self._wedged_after_s, WEDGED_STEPS * expected_s)

    def end_act(self) -> None:
        self._act = None

    def ran_out_of_memory(self, now: float) -> None:
        """Record a lack of memory for one request alone; if a smaller batch was enough, nothing is wrong."""
        self._out_of_memory_at.append(now)

    def lose(self, what: str) -> None:
        """Record the loss of something that only a new process can get back."""
        self._lost = self._lost or what

    def fault(self, now: float) -> str | None:
        """Return what is wrong, or None."""
        act = self._act
        if self._lost:
            return self._lost
        if act is not None and now - act[0] > act[1]:
            return f"a step has been running for {now - act[0]:.0f} s"
        if len(self._out_of_memory_at) == TOO_MANY and now - self._out_of_memory_at[0] < WINDOW_S:
            return f"the device ran out of memory for {TOO_MANY} pictures within {WINDOW_S:.0f} s"
        return None


def device_is_lost(error: BaseException) -> bool:
    """Return whether the device is lost to this process, by the messages of `error` and its causes."""
    at: BaseException | None = error
    for _ in range(8):
        if at is None:
            return False
        if any(words in _words(at) for words in LOST_DEVICE):
            return True
        at = at.__context__ if at.__cause__ is None else at.__cause__
    return False


def _words(error: BaseException) -> str:
    try:
        return str(error).lower()
    except BaseException:  # The class may be a library's, whose `str` can raise anything.
        return ""


class LoadRetries:
    """Exponential backoff. Nothing is due before the first failure."""

    def __init__(self) -> None:
        self._wait_s = FIRST_S
        self._due_at: float | None = None

    def failed(self, now: float) -> float:
        """Record a failure. Return the seconds until the next attempt is due."""
        wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, LONGEST_S)
        self._due_at = now + wait_s
        return wait_s

    def succeeded(self) -> None:
        self._wait_s, self._due_at = FIRST_S, None

    def begin_if_due(self, now: float) -> bool:
        """Return whether an attempt is due; if so, the caller makes it, and reports how it ended."""
        if self._due_at is None or now < self._due_at:
            return False
        self._due_at = None
        return True
