"""Show a run's progress, one line a second: updated in place on a terminal, one below the other elsewhere."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from statistics import quantiles
from typing import TextIO

from ..traffic.record import Record

RECENT = 200


class Progress:
    """Progress of a run. `add` takes each record, and `show` prints until it is cancelled."""

    def __init__(self, stream: TextIO, ends_s: float) -> None:
        self._stream, self._ends_s = stream, ends_s
        self._terminal = stream.isatty()
        self._recent: deque[float] = deque(maxlen=RECENT)
        self._lag_s = 0.0
        self._ok = self._failed = self._cancelled = 0

    def add(self, record: Record) -> None:
        self._lag_s = max(self._lag_s, record.send_lag_s)
        if record.ok:
            self._ok += 1
            self._recent.append(record.latency_s)
        elif record.failed:
            self._failed += 1
        else:
            self._cancelled += 1

    async def show(self, now: Callable[[], float], in_flight: Callable[[], int]) -> None:
        try:
            while True:
                await asyncio.sleep(1)
                line = self.line(now(), in_flight())
                self._stream.write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
                self._stream.flush()
        finally:
            if self._terminal:
                self._stream.write("\r\x1b[K")
                self._stream.flush()

    def line(self, at_s: float, in_flight: int) -> str:
        parts = [f"{at_s:6.0f} s of {self._ends_s:.0f}", f"ok {self._ok}", f"failed {self._failed}"]
        if self._cancelled:
            parts.append(f"cancelled {self._cancelled}")
        parts.append(f"in flight {in_flight}")
        if len(self._recent) > 1:
            twentieths = quantiles(self._recent, n=20, method="inclusive")
            parts.append(f"p50 {twentieths[9]:.2f} s  p95 {twentieths[18]:.2f} s")
        parts.append(f"max send lag {1e3 * self._lag_s:.0f} ms")
        return "   ".join(parts)
