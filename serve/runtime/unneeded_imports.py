"""Skip modules that Ray would import, and that neither its code nor ours uses."""

from __future__ import annotations

import sys
from typing import Any

UNNEEDED = ("rfc3987_syntax",)
"""If it is installed, as for our tests, jsonschema imports it to check the syntax of addresses. It builds a
parser, which is a third of the time to import Ray Serve."""


def skip_unneeded_imports() -> None:
    """Make these packages look uninstalled in this process. Call this before importing Ray."""
    modules: dict[str, Any] = sys.modules
    for name in UNNEEDED:
        modules.setdefault(name, None)
