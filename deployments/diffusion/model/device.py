"""Measure forwards on their device, keep at most one step ahead of it, and recognise a lack of its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch

from deployments.errors import OutOfMemory

Result = TypeVar("Result")


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


def within_memory(act: Callable[[], Result]) -> Result:
    """Return the act's result. Raises OutOfMemory where the device has no room for it."""
    try:
        return act()
    except MemoryError:  # Of numpy and Python themselves.
        pass
    except RuntimeError as error:
        # On the CPU torch has no class for it.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    # Only here, where the error and the tensors in its frames are gone: https://pytorch.org/docs/stable/notes/faq.html
    raise OutOfMemory("the device ran out of memory painting this picture")
