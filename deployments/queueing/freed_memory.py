"""Hand memory that was freed back to the system, which the C library would keep for later."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

WORTH_BYTES = 64 << 20
"""Less comes and goes all the time."""


def return_freed_memory(used_bytes: int) -> None:
    """Trim the heap where so much was used. Only glibc can do it."""
    trim = _trim()
    if used_bytes >= WORTH_BYTES and trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):
        return None
