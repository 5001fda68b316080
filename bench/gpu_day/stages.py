"""List the stages, the most valuable first: those that run out of time are the last ones."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

PYTHON = sys.executable
EXACTNESS = ("tests/gpu/test_gpu_families.py", "tests/gpu/test_gpu_exactness.py")
"""The tests in tests/gpu that need no Ray."""
REHEARSAL = 3.0
"""A rehearsal has so many times the seconds: two cores are slower than a GPU, even with small models."""


@dataclass(frozen=True)
class Stage:
    """One command. `{result}` in it is the JSON file that it writes, `{out}` the folder of pictures.

    It is ended after `budget_s`, and what it has written by then is kept. `environment` is added to ours.
    """

    name: str
    title: str
    budget_s: float
    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    def words(self, result: Path, out: Path) -> list[str]:
        places = {"{result}": str(result), "{out}": str(out), "{budget}": f"{self.budget_s:.0f}"}
        return [places.get(word, word) for word in self.command]


def stages(rehearse: bool) -> list[Stage]:
    """Return every stage. A rehearsal has the same stages, with small models, on the CPU, with more time."""
    patience = REHEARSAL if rehearse else 1.0
    return [replace(stage, budget_s=patience * stage.budget_s) for stage in _stages(rehearse)]


def _stages(rehearse: bool) -> list[Stage]:
    on_cpu = (("TESTS_GPU_DEVICE", "cpu"),) if rehearse else ()
    pytest = (
        PYTHON,
        "-m",
        "pytest",
        *EXACTNESS,
        "-m",
        "gpu",
        "-q",
        "-p",
        "no:cacheprovider",
        "--durations=5",
    )
    return [
        Stage(
            "environment",
            "the machine and its versions",
            20,
            (PYTHON, "-m", "bench.gpu_day.machine_versions", "{result}"),
        ),
        Stage("exactness", "every picture equals its stock pipeline's", 90, pytest, on_cpu),
        _bench("sdxl", "SDXL-sized against stock", 70, rehearse, "--no-compile"),
        _bench("flux", "FLUX-sized against stock", 80, rehearse, "--no-compile"),
        Stage("picture", "a scene of the bundled models", 40, _picture(rehearse)),
        _bench("sdxl-compiled", "SDXL-sized, compiled by regions", 130, rehearse, "--only-compiled"),
        _bench("flux-compiled", "FLUX-sized, compiled by regions", 130, rehearse, "--only-compiled"),
        _bench("sd35", "SD3.5-sized against stock", 80, rehearse, "--no-compile"),
    ]


def _bench(name: str, title: str, budget_s: float, rehearse: bool, compiled: str) -> Stage:
    command = [PYTHON, "-m", "bench.gpu", "--families", name.removesuffix("-compiled"), compiled]
    command += ["--budget-s", "{budget}", "--json", "{result}", *(["--quick"] if rehearse else [])]
    return Stage(name, title, budget_s, tuple(command))


def _picture(rehearse: bool) -> tuple[str, ...]:
    small = ("--small",) if rehearse else ()
    return (PYTHON, "-m", "bench.gpu_day.picture", "--json", "{result}", "--out", "{out}", *small)
