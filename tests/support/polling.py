"""Wait for a state by looking again and again, never by sleeping for so long."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any


def until(look: Callable[[], Any], timeout_s: float = 120.0) -> Any:
    """Return what `look` returns, once that is true."""
    deadline = time.monotonic() + timeout_s
    while not (value := look()):
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.02)
    return value


async def eventually(look: Callable[[], Any], timeout_s: float = 60.0) -> Any:
    """Return what `look` returns, awaited where it can be, once that is true; other tasks go on meanwhile."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = look()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.005)
