"""Keep what a process starts with out of every later look of Python's garbage collector."""

from __future__ import annotations

import gc


def freeze() -> None:
    """Let later collections take milliseconds: the modules of torch are over a million objects.

    Call before the first request: what is frozen is never let go, pictures of requests under way included.
    """
    if not gc.get_freeze_count():
        gc.collect()
        gc.freeze()
