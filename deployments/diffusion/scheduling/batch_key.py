"""Who may share a forward."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchKey:
    """Who may share a forward: those with equal keys.

    One model serves a replica, with its LoRAs at fixed scales and its texts padded to one length, so the size
    is all that can differ.
    """

    width_px: int
    height_px: int
