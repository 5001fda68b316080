"""Wait until a service that was just started can paint, and detect that it never will."""

from __future__ import annotations

import time
from collections.abc import Callable

from scenewright import Scenewright, ScenewrightError, ServerUnreachable

POLL_S = 0.25
SETTLED_S = 15.0
"""A replica loads its model before Serve says that it runs, so a reason unchanged for this long is final."""


def wait(
    service: Scenewright,
    check: Callable[[], None],
    notify: Callable[[str], None] = lambda reason: None,
    settled_s: float = SETTLED_S,
) -> str:
    """Return an empty string once the service is ready, or a reason that was unchanged for `settled_s`.

    Calls `notify` with each new reason.

    An error that `check` raises ends the waiting.
    """
    standing, since = "", time.monotonic()
    while True:
        check()
        reason = why_not(service)
        if not reason:
            return ""
        if reason != standing:
            standing, since = reason, time.monotonic()
            notify(reason)
        elif time.monotonic() - since > settled_s:
            return reason
        time.sleep(POLL_S)


def why_not(service: Scenewright) -> str:
    """Return the reason that /readyz gives, or the error that prevented a response."""
    try:
        return service.unready_reason()
    except (ScenewrightError, ServerUnreachable) as error:
        return str(error)
