"""Keep the client's former name: `serve.client` and its modules are those of `scenewright`."""

from __future__ import annotations

import sys
from importlib import import_module

from scenewright import *  # noqa: F403
from scenewright import __all__ as __all__

MODULES = (
    "address",
    "asynchronous",
    "calls",
    "encoding",
    "environment",
    "errors",
    "faults",
    "http",
    "responses",
    "retries",
    "stories",
    "synchronous",
)
"""Each is one module under both names, not a copy, so an `except` of either name catches the same class."""

for _name in MODULES:
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = import_module(f"scenewright.{_name}")
sys.modules[f"{__name__}.answers"] = import_module("scenewright.responses")  # Its name before 0.2.
