"""Waiting for a state of real processes: by looking, never by sleeping so long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any


def until(condition: Callable[[], Any], timeout_s: float = 90.0) -> Any:
    """What `condition` gives, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return value


async def eventually(look: Callable[[], Awaitable[Any]], timeout_s: float = 60.0) -> Any:
    """What `look` gives, once that is true, while the event loop goes on."""
    deadline = time.monotonic() + timeout_s
    while not (value := await look()):
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.01)
    return value
