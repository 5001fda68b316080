"""The energy that a GPU has used, as NVML counts it: in millijoules since its driver was loaded."""

from __future__ import annotations

import sys
from typing import Any

from ray._private.thirdparty import pynvml

from .logs import logger


class EnergyCounter:
    """Count the energy of the GPU that holds this process's model. Replicas that share it each count all."""

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._device: Any = None
        self._last_mj: int | None = None
        self._counts = True

    def joules_since(self) -> float:
        """Return the joules since the last call; 0 at the first call, or if NVML does not count them."""
        if not self._counts:
            return 0.0
        try:
            if self._device is None and (uuid := _uuid_in_use()) is not None:
                self._nvml.nvmlInit()
                self._device = self._nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            if self._device is None:
                return 0.0
            now_mj = int(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._device))
        except Exception as error:  # No library, no permission, or a GPU that is older than Volta.
            logger.info("the GPU's energy cannot be measured here: %s", error)
            self._counts = False
            return 0.0
        last_mj, self._last_mj = self._last_mj, now_mj
        return 0.0 if last_mj is None else max(0, now_mj - last_mj) / 1e3


def _uuid_in_use() -> str | None:
    """Return the id of the GPU that torch uses here; None if it uses none, or none yet."""
    torch = sys.modules.get("torch")  # A simulated replica never imports it.
    if torch is None or not torch.cuda.is_initialized():
        return None
    return str(torch.cuda.get_device_properties(torch.cuda.current_device()).uuid)
