"""Keep what a calibration has found, for the next start of the same model on the same machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from deployments.diffusion.engine.calibration import Calibration

PACKAGES = ("torch", "diffusers", "transformers")
"""The packages that compute a forward: another version is measured anew."""


def kept_calibration(
    folder: Path | None, fingerprint: str, settings: object, measure: Callable[[], Calibration]
) -> Calibration:
    """Return the calibration that `folder` has of a model, else measure and keep it.

    `fingerprint`: of the model's weights and settings; `settings`: those of the calibration. A file that
    cannot be read is measured again, and a folder that cannot be written to keeps nothing.
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
    parts = (fingerprint, repr(settings), _processor(), str(os.cpu_count()), *map(_version, PACKAGES))
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
