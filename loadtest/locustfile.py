"""The same requests and checks under Locust: `locust -f loadtest/locustfile.py --host http://127.0.0.1:8000`.

Locust's users are a closed loop: while the service stalls they wait and send less, so its percentiles hide
stalls that `python -m loadtest run` shows. LOADTEST_MIX names a mix file, LOADTEST_SEED the seed.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task

from loadtest import mix as mixes
from loadtest.check import flaw
from loadtest.plan import endless

ACCEPT = {"picture": "image/*", "json": "application/json"}


def _mix() -> mixes.Mix:
    """Raises MixError: a mix with what Locust does not do is refused, and Locust does not start."""
    file = os.environ.get("LOADTEST_MIX")
    mix = mixes.load(Path(file)) if file else mixes.default_mix()
    for entry in mix.requests:
        if entry.answer == "stream" or entry.route == "jobs" or entry.cancels:
            raise mixes.MixError(f"{entry.name!r}: under Locust a mix has no streams, no jobs and no cancels")
    return mix


asks = endless(_mix(), int(os.environ.get("LOADTEST_SEED", "1")))
"""One sequence for all users."""


@events.init.add_listener  # type: ignore[untyped-decorator]
def refresh_clock(environment: Any, **_: Any) -> None:
    """--run-time counts from the loop's last look at the clock, which is as old as Locust's imports took."""
    gevent.get_hub().loop.update_now()


class Reader(FastHttpUser):
    """Asks for one picture after another."""

    network_timeout = connection_timeout = 150.0

    @task
    def picture(self) -> None:
        ask = next(asks)
        headers = {"Accept": ACCEPT[ask.answer]}
        with self.client.post(
            ask.path, json=ask.body, headers=headers, name=ask.entry, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(f"status {response.status_code}")
            elif ask.answer == "picture" and (found := flaw(response.content or b"", ask.wanted)):
                response.failure(f"bad picture: {found}")
