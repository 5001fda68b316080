"""Count time for a benchmark of one thread: only the work counts, and waiting for an arrival takes none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from deployments.diffusion.model.networks import denoiser_of

BASES = {"cpu": time.process_time, "wall": time.perf_counter}


class Clock:
    """A clock that can skip idle time.

    `cpu` counts this process's own CPU seconds, so that a busy neighbour does not matter. `wall` counts all.
    """

    def __init__(self, kind: str) -> None:
        self._base = BASES[kind]
        self._started = self._base()
        self._skipped_s = 0.0

    def now(self) -> float:
        return self.busy_s() + self._skipped_s

    def busy_s(self) -> float:
        return self._base() - self._started

    def skip_to(self, at_s: float) -> None:
        self._skipped_s += max(0.0, at_s - self.now())


class Meter:
    """CPU seconds spent in the model itself: its forward, its decoder, its text encoders."""

    def __init__(self, pipeline: Any) -> None:
        self.spent_s = 0.0
        network = denoiser_of(pipeline)
        # A compiled module is called through this attribute. Metering inside it would be compiled too.
        call = "forward" if network._compiled_call_impl is None else "_compiled_call_impl"
        setattr(network, call, self._metered(getattr(network, call)))
        pipeline.vae.decode = self._metered(pipeline.vae.decode)
        pipeline.encode_prompt = self._metered(pipeline.encode_prompt)

    def _metered(self, act: Callable[..., Any]) -> Callable[..., Any]:
        def metered(*arguments: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return act(*arguments, **named)
            finally:
                self.spent_s += time.process_time() - began

        return metered
