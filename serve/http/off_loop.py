"""Work that holds the interpreter for longer than others should wait: one piece of it at a time, in a thread.

One thread, not a pool: the event loop takes turns with it, and with two it would wait twice as long for its
own. Another process would cost each replica of the edge its memory, and to hand the values over takes as long
as parsing.
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
"""How long a thread of Python keeps the interpreter from the event loop; Python's own default is 5 ms."""


async def off_loop(work: Callable[[], Result]) -> Result:
    """Run `work`, which should be Python or short calls of C, while the event loop goes on."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), _uncollected, work)


def shorten_thread_slices() -> None:
    """Let the event loop wait less for what runs beside it, in this process for as long as it lives."""
    sys.setswitchinterval(SWITCH_S)


def _uncollected(work: Callable[[], Result]) -> Result:
    """Keep the collector out: what is parsed has no cycles, and makes it look through all of the process.

    Where the work raises, what it has made is freed here. Else the event loop would do that for milliseconds,
    when it is done with the error, which holds its frames.
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
