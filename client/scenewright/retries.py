"""Decide which failures are worth another try, and when: a pure function of the failure."""

from __future__ import annotations

from dataclasses import dataclass

from .errors import NotReady, NotScenewright, OutOfMemory, Overloaded, ScenewrightError, ServerUnreachable

WORTH_IT = (Overloaded, NotReady, OutOfMemory)
FIRST_WAIT_S = 0.5
SERVE_LOG_HINT = "in the logs of Ray Serve"
"""The end of the message of a 500 that Ray Serve sends in place of a replica that died."""


@dataclass(frozen=True)
class Retries:
    """The retry policy: at most `most` retries.

    A failure that needs a wait over `longest_wait_s` is raised, for the caller to decide.
    """

    most: int = 3
    longest_wait_s: float = 60.0

    def wait_s(self, failure: Exception, tries: int, repeatable: bool, dice: float) -> float | None:
        """Return the seconds to wait for the next try after `tries` tries, or None to raise `failure`.

        `repeatable` work may be sent again even if its response was lost. `dice` in 0..1 spreads many clients
        over the second half of the wait (AWS's "equal jitter").
        """
        if tries > self.most:
            return None
        backoff_s = FIRST_WAIT_S * 2 ** (tries - 1) * (0.5 + dice / 2)
        if isinstance(failure, WORTH_IT):
            wait_s = backoff_s if failure.retry_after_s is None else failure.retry_after_s
        elif _never_arrived(failure) or (_lost_on_the_way(failure) and repeatable):
            wait_s = backoff_s
        else:
            return None
        return wait_s if wait_s <= self.longest_wait_s else None


def _never_arrived(failure: Exception) -> bool:
    """Return True for a 408.

    A server that closes a connection may send one just as the next request arrives (RFC 9110, 15.5.9).
    """
    return isinstance(failure, ScenewrightError | NotScenewright) and failure.status == 408


def _lost_on_the_way(failure: Exception) -> bool:
    """Return True if no response came, or if a proxy responded in place of a replica that it had lost."""
    if isinstance(failure, NotScenewright):
        return failure.status >= 500
    if isinstance(failure, ScenewrightError):  # The service's own responses have an id; HAProxy's have none.
        lost = failure.request_id is None or failure.message.endswith(SERVE_LOG_HINT)
        return failure.status == 500 and lost
    return isinstance(failure, ServerUnreachable)
