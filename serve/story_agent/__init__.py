"""Keep the former name of Story Agent's classes: these are the modules of `scenewright.story_agent`."""

from __future__ import annotations

import sys
from importlib import import_module

from scenewright.story_agent import *  # noqa: F403
from scenewright.story_agent import __all__ as __all__

MODULES = ("files", "finishing", "generation", "merging", "settings")
"""Each is one module under both names, so its classes are not copied."""

for _name in MODULES:
    sys.modules[f"{__name__}.{_name}"] = globals()[_name] = import_module(f"scenewright.story_agent.{_name}")
