"""The edge alone: scenes a second of no-op generators, against a tutorial's Ray Serve graph."""

# What it runs lives in bench/serving/: Ray gives its workers this script's folder to import from, and here
# `serve` would be this file.

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

if __name__ == "__main__":
    environment = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "bench.serving", *sys.argv[1:]]
    sys.exit(subprocess.run(command, env=environment).returncode)
