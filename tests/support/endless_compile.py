"""Stand in for the process that compiles: it says that it has begun, and never ends."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

if __name__ == "__main__":
    (Path(sys.argv[1]) / "begun").touch()
    signal.pause()
