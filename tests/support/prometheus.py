"""Find the real Prometheus: Debian's package, which scripts/install unpacks into .venv."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

UNPACKED = Path(__file__).parents[2] / ".venv/prometheus"


def program(name: str) -> str:
    """Return the path of `prometheus` or `promtool`.

    Skip the test if neither the machine nor .venv has it; fail it in CI, which installs it.
    """
    found = shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}{UNPACKED}")
    if found is None:
        missing = f"no {name} here: scripts/install unpacks Debian's package prometheus into .venv"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found
