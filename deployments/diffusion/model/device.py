"""Measure forwards on their device, keep at most one step ahead of it, and detect a lack of its memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import torch

from deployments.errors import OutOfMemory

Result = TypeVar("Result")


class DeviceClock:
    """A clock of one device's work, in seconds."""

    def __init__(self, device: torch.device) -> None:
        self._on_gpu = device.type == "cuda"
        self._launched: torch.cuda.Event | None = None

    def now_s(self) -> float:
        """Return the time. On a CPU it is this process's own, so that a busy neighbour does not matter."""
        if not self._on_gpu:
            return time.process_time() / torch.get_num_threads()
        torch.cuda.synchronize()
        return time.perf_counter()

    def await_step_before(self) -> None:
        """Wait for the step before the last: a GPU lags behind the calls, and a cancellation waits for it."""
        if self._on_gpu:
            before, self._launched = self._launched, torch.cuda.Event()
            self._launched.record()
            if before is not None:
                before.synchronize()


def within_memory(act: Callable[[], Result]) -> Result:
    """Return the act's result. Raises OutOfMemory if the device has no room for it."""
    try:
        return act()
    except MemoryError:  # From numpy and Python themselves.
        pass
    except RuntimeError as error:
        # On the CPU torch has no class for this error.
        if not isinstance(error, torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
    # Only here, where the error and the tensors in its frames are gone: https://pytorch.org/docs/stable/notes/faq.html
    raise OutOfMemory("the device ran out of memory painting this picture")
