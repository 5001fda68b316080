"""Check ARCHITECTURE.md: its paths exist, no folder is missing, its layers are import-linter's."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
PATHS = re.findall(r"`([\w.]+(?:/[\w.]*)+)`", PAGE)
CONTAINERS = (
    "serve",
    "deployments",
    "deployments.diffusion",
    "deployments.imaging",
    "loadtest",
    "scenewright",
)


@pytest.mark.parametrize("path", sorted(set(PATHS)))
def test_what_it_names_exists(path: str) -> None:
    found = REPOSITORY / path
    assert found.is_dir() if path.endswith("/") else found.is_file()


def test_it_names_every_folder() -> None:
    folders = {
        f"{file.parent.relative_to(REPOSITORY)}/"
        for top in ("client/scenewright", "serve", "deployments", "loadtest")
        for file in (REPOSITORY / top).rglob("*.py")
    }
    below = {"serve/state/migrations/", "serve/state/migrations/versions/"}
    above = {
        "client/scenewright/",
        "serve/",
        "deployments/",
        "deployments/diffusion/",
        "deployments/imaging/",
    }
    assert folders - below - above <= set(PATHS)


def test_no_test_left_a_file_at_the_root() -> None:
    command = ["git", "-C", str(REPOSITORY), "ls-files", ":(glob)*"]
    files = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "README.md" in files
    kinds = {".md", ".toml", ".txt", ".lock", ".yaml"}
    names = {"LICENSE", "Dockerfile", ".gitignore", ".dockerignore"}
    assert [file for file in files if file not in names and Path(file).suffix not in kinds] == []


def test_a_scene_has_twelve_stations() -> None:
    stations = re.findall(r"^(\d+)\. `[\w/]+\.py`", PAGE, re.MULTILINE)
    assert stations == [str(number) for number in range(1, 13)]


@pytest.mark.parametrize("container", CONTAINERS)
def test_its_layers_are_the_linter_s(container: str) -> None:
    contracts = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"][
        "contracts"
    ]
    held = next(each for each in contracts if each.get("containers") == [container])
    drawn = re.search(rf"^`{re.escape(container)}`\n\n```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    assert drawn is not None
    assert drawn[1].splitlines() == held["layers"]
