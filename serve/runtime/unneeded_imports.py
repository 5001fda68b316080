"""Keep out of a process what Ray would import on the way, and nothing of it or of ours uses."""

from __future__ import annotations

import sys
from typing import Any

UNNEEDED = ("rfc3987_syntax",)
"""Where it is installed, as for our tests, jsonschema imports it to check the syntax of addresses, and it
builds a parser: a third of what importing Ray Serve takes."""


def skip_unneeded_imports() -> None:
    """Let them count as not installed in this process; to be called before Ray is imported."""
    modules: dict[str, Any] = sys.modules
    for name in UNNEEDED:
        modules.setdefault(name, None)
