"""Check that the version is the same everywhere."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import scenewright
from deployments import __version__
from deployments.imaging.marks.provenance import SOFTWARE

REPOSITORY = Path(__file__).parents[1]


def test_the_distribution_has_it() -> None:
    assert version("scenewright") == __version__
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert "version" not in project, "the version is set in deployments/__init__.py"


def test_the_client_is_of_the_same_release() -> None:
    assert version("scenewright-client") == scenewright.__version__ == __version__


def test_pictures_name_it() -> None:
    assert f"Scenewright {__version__}" == SOFTWARE


def test_the_changelog_s_newest_release_is_this_one() -> None:
    changelog = (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## \[([\d.]+)\]", changelog, re.MULTILINE)
    assert releases[0] == __version__
