"""Measure whether a service grows: the memory of its processes over time, and its slope."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from ..cluster.replicas import Replicas
from .trial import Clock

PERIOD_S = 5.0
NOT_SETTLED = 0.2
"""The slope leaves out the first fifth, or the warm-up if that is longer: caches are still filling."""


@dataclass
class ProcessMemory:
    """Watch a process and all its descendants, summing what each would free if it ended (USS)."""

    pid: int
    seen: list[dict[str, float]] = field(default_factory=list)

    async def __call__(self, now: Clock, replicas: Replicas | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # In a thread: the kernel walks every page table for it, which takes milliseconds per process.
            total = await loop.run_in_executor(None, tree_bytes, self.pid)
            if total:
                self.seen.append({"at_s": round(now(), 1), "bytes": total})
            await asyncio.sleep(PERIOD_S)


def tree_bytes(pid: int) -> int:
    """Return the bytes of a process and its descendants, or 0 if it is gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    return sum(_unique_bytes(process) for process in family)


def _unique_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except psutil.Error:
        return 0


def slope(seen: Sequence[dict[str, float]], warmup_s: float = 0.0) -> dict[str, Any] | None:
    """Fit a line to the settled part: bytes an hour with 95% bounds, or None with under 4 points."""
    settled_s = max(warmup_s, NOT_SETTLED * seen[-1]["at_s"] if seen else 0.0)
    settled = [each for each in seen if each["at_s"] >= settled_s]
    if len(settled) < 4:
        return None
    hours = np.array([each["at_s"] for each in settled]) / 3_600
    sizes = np.array([each["bytes"] for each in settled], dtype=float)
    centred = hours - hours.mean()
    grows = float((centred * sizes).sum() / (centred**2).sum())
    residuals = sizes - sizes.mean() - grows * centred
    error = float(np.sqrt((residuals**2).sum() / (len(settled) - 2) / (centred**2).sum()))
    return {
        "bytes_per_hour": grows,
        "low": grows - 1.96 * error,
        "high": grows + 1.96 * error,
        "first_bytes": settled[0]["bytes"],
        "last_bytes": settled[-1]["bytes"],
    }
