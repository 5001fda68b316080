"""Send the same requests with Locust, and make the same checks.

    locust -f loadtest/locustfile.py --host http://127.0.0.1:8000

Locust's users are a closed loop: while the service stalls they wait and send less, so its percentiles hide
stalls that `python -m loadtest run` shows. LOADTEST_MIX names a mix file, LOADTEST_SEED the seed and
SCENEWRIGHT_API_KEY the key.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest.traffic import mix as mixes
from loadtest.traffic.picture_check import flaw
from loadtest.traffic.request_plan import endless
from loadtest.traffic.target_address import AddressError, base_address, bearer

ACCEPT = {"picture": "image/*", "json": "application/json"}


def _mix() -> mixes.Mix:
    """Read the mix.

    Raises MixError, so that Locust does not start, for a mix that needs what Locust does not do.
    """
    file = os.environ.get("LOADTEST_MIX")
    mix = mixes.load(Path(file)) if file else mixes.default_mix()
    for entry in mix.requests:
        if entry.answer == "stream" or entry.route == "jobs" or entry.cancels:
            raise mixes.MixError(f"{entry.name!r}: a mix for Locust cannot have streams, jobs or cancels")
    return mix


def _seed() -> int:
    text = os.environ.get("LOADTEST_SEED") or "1"
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError("LOADTEST_SEED must be a whole number")
    return int(text)


try:
    # One sequence for all users.
    requests, key = endless(_mix(), _seed()), bearer(os.environ.get("SCENEWRIGHT_API_KEY"))
except (mixes.MixError, ValueError) as error:
    sys.exit(f"locustfile: {error}")


@events.init.add_listener  # type: ignore[untyped-decorator]
def refresh_clock(environment: Any, **_: Any) -> None:
    """Refresh the loop's clock, from which --run-time counts: it lags by the time of Locust's imports."""
    gevent.get_hub().loop.update_now()


@events.init.add_listener  # type: ignore[untyped-decorator]
def check_address(environment: Any, **_: Any) -> None:
    """Check the address: for a wrong one, Locust itself would print a traceback for each user."""
    try:
        environment.host = base_address(environment.host) if environment.host else None
    except AddressError as error:
        sys.exit(f"locustfile: {error}")


class Reader(FastHttpUser):
    """Request one picture after another."""

    network_timeout = connection_timeout = 150.0
    default_headers: dict[str, str] | None = {"Authorization": f"Bearer {key}"} if key else None

    def __init__(self, environment: Any) -> None:
        """Check the address again: Locust's own page may have set another."""
        self.host = self.host and base_address(self.host)
        super().__init__(environment)

    @task
    def picture(self) -> None:
        request = next(requests)
        headers = {"Accept": ACCEPT[request.answer]}
        with self.client.post(
            request.path, json=request.body, headers=headers, name=request.entry, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif request.answer == "picture" and (found := flaw(response.content or b"", request.wanted)):
                response.failure(f"bad picture: {found}")
