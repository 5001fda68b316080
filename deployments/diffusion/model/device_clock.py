"""Measure forwards on their device, and keep at most one step ahead of it."""

from __future__ import annotations

import time

import torch


class DeviceClock:
    """Seconds of one device's work."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._launched: torch.cuda.Event | None = None

    def now_s(self) -> float:
        """Count on a CPU its own seconds alone, so that a busy neighbour does not decide what pays."""
        if not self._on_gpu:
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    def await_step_before(self) -> None:
        """Wait for the step before the last: a GPU works on after a call returns, and cancels wait for it."""
        if self._on_gpu:
            before, self._launched = self._launched, torch.cuda.Event()
            self._launched.record()
            if before is not None:
                before.synchronize()
