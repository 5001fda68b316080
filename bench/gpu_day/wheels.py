"""Gather the packages that a machine without a network lacks, and use them there.

torch is never among them: the machine has its own, built for its GPU.
"""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from collections.abc import Callable, Collection, Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOTS = (
    "diffusers",
    "transformers",
    "greenlet",
    "sentencepiece",
    "pydantic",
    "pillow",
    "numpy",
    "accelerate",
)
TESTS = ("pytest", "pytest-timeout", "anyio", "hypothesis")
GLIBC = ("2_28", "2_27", "2_26", "2_24", "2_17", "2_12", "2_5")
PLATFORMS = (*(f"manylinux_{version}_x86_64" for version in GLIBC), "manylinux2014_x86_64", "any")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]*")
EXTRA = re.compile(r"\bextra\s*==")


def collect(folder: Path, python: str, without: Iterable[str], say: Callable[[str], object]) -> None:
    """Download the wheels of this environment's versions into `folder`.

    They are for x86-64 Linux and the Python version `python`, or for this machine if that is empty. The
    packages in `without` are left out, since the machine has them. Raises SystemExit if pip fails.
    """
    pinned = pinned_versions(without)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder)]
    if python:
        command += ["--python-version", python, "--implementation", "cp"]
        command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    if subprocess.run([*command, *pinned], check=False).returncode:
        raise SystemExit("gpu-day: pip could not download the wheels; see its output above")
    bytes_in_all = 0
    for wheel in sorted(folder.glob("*.whl")):
        pack_tightly(wheel)
        bytes_in_all += wheel.stat().st_size
    say(f"{len(pinned)} packages, {bytes_in_all / 2**20:.1f} MiB, in {folder}: {', '.join(pinned)}")


def pinned_versions(without: Iterable[str]) -> list[str]:
    """Return NAME==VERSION, as installed here, of all needed packages except torch and its dependencies."""
    present = needs(("torch",), set()) | {_plain(name) for name in without}
    return sorted(
        f"{name}=={distribution(name).version}" for name in needs((*ROOTS, *TESTS), present) - present
    )


def needs(names: Iterable[str], known: Collection[str]) -> set[str]:
    """Return the plain names of these packages and all their dependencies that are installed here.

    The `known` packages and their dependencies are left out.
    """
    found: set[str] = set()
    waiting = [_plain(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found or name in known:
            continue
        try:
            required = distribution(name).requires or []
        except PackageNotFoundError:  # For another system or Python.
            continue
        found.add(name)
        for line in required:
            match = NAME.match(line)
            if match and not EXTRA.search(line):
                waiting.append(_plain(match.group()))
    return found


def unpack(wheels: Path, site: Path) -> Path:
    """Unpack the wheels into a folder for PYTHONPATH, without pip."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    for kind in ("purelib", "platlib"):
        for nested in sorted(site.glob(f"*.data/{kind}/*")):
            nested.rename(site / nested.name)
    return site


def pack_tightly(wheel: Path) -> None:
    """Compress a wheel again if that makes it smaller: little may be carried to the machine."""
    tight = wheel.with_suffix(".tight")
    with zipfile.ZipFile(wheel) as loose, zipfile.ZipFile(tight, "w", zipfile.ZIP_LZMA) as packed:
        for entry in loose.infolist():
            packed.writestr(entry.filename, loose.read(entry), zipfile.ZIP_LZMA)
    if tight.stat().st_size < wheel.stat().st_size:
        tight.replace(wheel)
    else:
        tight.unlink()


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
