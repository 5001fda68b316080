"""Read the lock files that scripts/lock writes."""

from __future__ import annotations

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]


LOCK, CPU_LOCK = REPOSITORY / "requirements.lock", REPOSITORY / "requirements-cpu.lock"


HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def entries(lock: Path) -> dict[str, tuple[Requirement, int]]:
    """Return the pinned requirements, each with its number of hashes."""
    text = re.sub(r"^#.*\n", "", lock.read_text(), flags=re.M).replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        requirement, hashes = Requirement(line.partition(" --hash")[0]), HASH.findall(line)
        assert line.count("--hash") == len(hashes)
        assert requirement.name not in found
        found[requirement.name] = requirement, len(hashes)
    return found


def pin_of(requirement: Requirement) -> Version:
    (only,) = requirement.specifier
    assert only.operator == "=="
    return Version(only.version)
