"""Check that every file of the service's packages is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PACKAGES = ("serve", "deployments", "loadtest")
BUILD = "import setuptools; setuptools.setup()"


def files_of(folder: Path) -> set[str]:
    """Return the names of the packages' files, except for compiled Python files."""
    found = (file for package in PACKAGES for file in (folder / package).rglob("*") if file.is_file())
    return {str(file.relative_to(folder)) for file in found if "__pycache__" not in file.parts}


def test_the_packages_ship_all_of_their_files(tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    source.mkdir()
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    command = (sys.executable, "-c", BUILD, "-q", "build_py", "--build-lib", str(built))
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "deployments/imaging/marks/DejaVuSans.ttf" in files_of(source)
    assert files_of(source) - files_of(built) == set()
