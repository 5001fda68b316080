"""Find by trial how many rows a forward should hold: as many as still make it more efficient.

The result is kept for the next start of the same model on the same machine.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deployments.errors import OutOfMemory

LEAST_GAIN = 0.05
"""Least gain in rows per second for twice the rows. Below it a larger batch only makes its members wait."""
METHOD = "2"
"""Version of the measuring method. What another version found is measured again."""
PACKAGES = ("torch", "diffusers", "transformers")
"""The packages that compute a forward. After a change of version it is measured again."""


@dataclass(frozen=True)
class Calibration:
    """The best row count. `seconds` has the time of a forward for each row count that was tried."""

    cap_rows: int
    seconds: dict[int, float]


def calibrate(measure: Callable[[int], float], max_rows: int, budget_s: float) -> Calibration:
    """Double the rows while that pays, the device has room, and the budget of seconds is not spent.

    `measure` returns the seconds of a forward of that many rows. The budget covers those seconds, and the
    most that the next forward is expected to take. Raises OutOfMemory if not even one row fits.
    """
    seconds = {1: measure(1)}
    cap = 1
    while 2 * cap <= max_rows and sum(seconds.values()) + 2 * seconds[cap] < budget_s:
        try:
            seconds[2 * cap] = measure(2 * cap)
        except OutOfMemory:
            break
        if seconds[2 * cap] < 2 * seconds[cap] < (1 + LEAST_GAIN) * seconds[2 * cap]:
            # Measure again when it is this close: the first forward at a row count may have been slow.
            seconds[2 * cap] = min(seconds[2 * cap], measure(2 * cap))
        if 2 * seconds[cap] < (1 + LEAST_GAIN) * seconds[2 * cap]:
            break
        cap *= 2
    # A guided picture has two rows, and the rows of one picture are never split.
    return Calibration(max(cap, min(2, max_rows)), seconds)


def kept_calibration(
    folder: Path | None, fingerprint: str, settings: object, measure: Callable[[], Calibration]
) -> Calibration:
    """Return the model's calibration from `folder`, or measure it and keep it there.

    `fingerprint` is that of the model's weights and settings, and `settings` are those of the calibration. If
    its file cannot be read, measure again. If the folder cannot be written to, keep nothing.
    """
    if folder is None or not fingerprint:
        return measure()
    file = folder / f"{_key(fingerprint, settings)}.json"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json.loads(file.read_text())
        seconds = {int(rows): float(taken) for rows, taken in found["seconds"].items()}
        if min(seconds) == 1 and min(seconds.values()) > 0 and int(found["cap_rows"]) >= 1:
            return Calibration(int(found["cap_rows"]), seconds)
    measured = measure()
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"cap_rows": measured.cap_rows, "seconds": measured.seconds}))
        written.replace(file)
    return measured


def _key(fingerprint: str, settings: object) -> str:
    parts = (METHOD, fingerprint, repr(settings), _processor(), str(os.cpu_count()), *map(_version, PACKAGES))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
