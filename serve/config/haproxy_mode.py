"""Read Ray Serve's HAProxy mode: `RAY_SERVE_ENABLE_HA_PROXY=1` in the environment of every node."""

from __future__ import annotations

import os


def enabled() -> bool:
    """Say whether this process runs in it, as Ray reads it."""
    return os.environ.get("RAY_SERVE_ENABLE_HA_PROXY", "0") == "1"
