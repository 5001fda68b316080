"""Exclude the objects that a process starts with from later garbage collections."""

from __future__ import annotations

import gc

_frozen: list[bool] = []


def freeze() -> None:
    """Keep later collections down to milliseconds: torch alone adds hundreds of thousands of objects.

    Call this before the first request: frozen objects are never freed, including pictures of requests under
    way. Only the first call has an effect. A process forked from the fork server, which has frozen its own
    objects, freezes what it imported since.
    """
    if not _frozen:
        _frozen.append(True)
        gc.collect()
        gc.freeze()
