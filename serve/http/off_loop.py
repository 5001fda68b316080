"""Run work that would hold the interpreter for too long: one piece at a time, in a thread.

There is one thread, not a pool: the event loop takes turns with it, and with two it would wait twice as long
for its turn. Another process would cost memory in each replica of the edge, and transferring the values takes
as long as parsing.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

Result = TypeVar("Result")

SWITCH_S = 0.001
"""How long a Python thread keeps the interpreter from the event loop; Python's own default is 5 ms."""


async def off_loop(work: Callable[[], Result]) -> Result:
    """Run `work`, which should be Python or short calls of C, while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), _uncollected, work)


def shorten_thread_slices() -> None:
    """Shorten the event loop's waits for other threads, for the lifetime of this process."""
    sys.setswitchinterval(SWITCH_S)


def _uncollected(work: Callable[[], Result]) -> Result:
    """Run `work` without the cycle collector: parsing makes no cycles, but makes it scan the whole process.

    If the work raises, what it has made is freed here. Otherwise the event loop would spend milliseconds on
    that once it has handled the error, which holds the work's frames.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return work()
    except Exception as error:
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        if collects:
            gc.enable()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, "off-loop")
