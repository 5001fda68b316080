"""Check that module names are unique: the base name alone identifies a module."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ALIKE = ("serve/routes", "serve/commands", "client/scenewright", "bench", "docs")
"""Folders whose modules are named after a resource: its route, its command, its client, its benchmark."""
FREE = ("tests", "examples", "client-js")
"""Folders with rules of their own: tests mirror the code, and the examples are other people's projects."""
SPECIAL = ("__init__.py", "__main__.py")


def modules() -> list[Path]:
    command = ["git", "-C", str(REPOSITORY), "ls-files", "*.py"]
    names = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in map(Path, names) if path.name not in SPECIAL and path.parts[0] not in FREE]


def is_twin(path: Path) -> bool:
    """Return whether the module is named after its resource."""
    if path.is_relative_to("client/scenewright"):
        return True
    return str(path.parent) in ALIKE


def test_no_two_modules_have_the_same_base_name() -> None:
    by_name = defaultdict[str, list[str]](list)
    for path in modules():
        if not is_twin(path):
            by_name[path.name].append(str(path))
    assert len(by_name) > 300, "all modules are found"
    assert {name: paths for name, paths in by_name.items() if len(paths) > 1} == {}
