"""Decide which requests may share a forward."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchKey:
    """The key of a batch: only requests with equal keys may share a forward.

    A replica serves one model, so the key is the size alone. Jobs of one size whose calls still cannot share
    a forward differ in their `forward_key` (scheduler.py).
    """

    width_px: int
    height_px: int
