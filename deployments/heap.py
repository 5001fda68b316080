"""Keep what a process starts with out of later garbage collections."""

from __future__ import annotations

import gc

_frozen: list[bool] = []


def freeze() -> None:
    """Let later collections take milliseconds: torch alone brings hundreds of thousands of objects.

    Call before the first request: what is frozen is never let go, pictures of requests under way included.
    Only the first call counts. A fork that its server has frozen freezes what it has imported itself.
    """
    if not _frozen:
        _frozen.append(True)
        gc.collect()
        gc.freeze()
