"""Wait for a state by polling, never by sleeping for a fixed time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], timeout_s: float = 120.0) -> Any:
    """Return the result of `look`, once it is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := look()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return value


async def eventually(look: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Return the result of `look`, awaited if possible, once it is true; other tasks run meanwhile."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = look()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.005)
