"""Waiting for a state of real processes: by looking, never by sleeping so long."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(condition: Callable[[], Any], timeout_s: float = 90.0) -> Any:
    """What `condition` gives, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return value
