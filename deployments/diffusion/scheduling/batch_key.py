"""Decide which requests may share a forward."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BatchKey:
    """The key of a batch: requests with equal keys may share a forward.

    One model serves a replica, with its LoRAs at fixed scales and its texts padded to one length, so the size
    is all that can differ.
    """

    width_px: int
    height_px: int
