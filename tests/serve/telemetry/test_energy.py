from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from serve.telemetry.energy import EnergyCounter


class Nvml:
    """Returns the given counts of millijoules; raises those that are exceptions."""

    def __init__(self, *counts: int | Exception) -> None:
        self._counts, self.asked = list(counts), list[str]()

    def nvmlInit(self) -> None: ...

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        self.asked.append(uuid)
        return uuid

    def nvmlDeviceGetTotalEnergyConsumption(self, device: str) -> int:
        count = self._counts.pop(0)
        if isinstance(count, Exception):
            raise count
        return count


def with_torch(monkeypatch: pytest.MonkeyPatch, initialized: bool) -> None:
    cuda: Any = SimpleNamespace(
        is_initialized=lambda: initialized,
        current_device=lambda: 0,
        get_device_properties=lambda device: SimpleNamespace(uuid="1234"),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))


def test_joules_are_counted_from_the_first_look_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with_torch(monkeypatch, True)
    nvml = Nvml(5_000, 7_500, 7_500, 100)
    energy = EnergyCounter(nvml)
    # The last count is lower because the driver was reloaded.
    assert [energy.joules_since() for _ in range(4)] == [0.0, 2.5, 0.0, 0.0]
    assert nvml.asked == ["GPU-1234"]


@pytest.mark.parametrize("without", ["torch", "a GPU"])
def test_without_a_gpu_nothing_is_counted(monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    if without == "torch":
        monkeypatch.delitem(sys.modules, "torch", raising=False)
    else:
        with_torch(monkeypatch, False)
    assert EnergyCounter(Nvml()).joules_since() == 0.0


def test_a_gpu_that_does_not_count_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with_torch(monkeypatch, True)
    energy = EnergyCounter(Nvml(RuntimeError("not supported")))
    assert [energy.joules_since() for _ in range(3)] == [0.0, 0.0, 0.0]
