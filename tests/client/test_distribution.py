"""Build `scenewright-client` and install it alone: check its contents, and that it works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import scenewright
from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import listening, served

REPOSITORY = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
NO_REGISTRY = re.compile(
    r"Failed to fetch|error sending request|dns error|[Cc]ould not connect|timed out|network was disabled"
)
PAINT = """
import asyncio, sys
from scenewright import AsyncScenewright, Scenewright
url, file = sys.argv[1:]
with Scenewright(url) as service:
    service.scene("a knight", "a castle", seed=7).save(file)

async def ready():
    async with AsyncScenewright(url) as service:
        return await service.ready()

print(asyncio.run(ready()), sorted({"PIL", "click", "django", "numpy", "serve"} & sys.modules.keys()))
"""
STORY = """
import sys
from django.conf import settings
from scenewright.story_agent import ImageEnhancer, ImageGenerationService, ImageMergeService
url, folder = sys.argv[1:]
settings.configure(SCENEWRIGHT_URL=url, STABLE_DIFFUSION_CONFIG={"default_steps": 2})
painter = ImageGenerationService()
figure = painter.generate_character_image("a knight", f"{folder}/c.png")
place = painter.generate_background_image("a castle", f"{folder}/b.png")
scene = ImageMergeService().merge_images(figure, place, f"{folder}/s.jpg")
print(ImageEnhancer.enhance_image(scene), "numpy" in sys.modules)
"""

PROJECT = """
import django; django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
print(Client().get("/books/").status_code)
"""
"""Request a page of examples/story_agent, so that its views are imported."""


def run(*command: object, **options: object) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the wheel and the source distribution."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    ignored = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(REPOSITORY / "client", source, ignore=ignored, dirs_exist_ok=True)
    here = ("--offline", "--no-build-isolation", "--python", sys.executable)
    done = run(BIN / "uv", "build", *here, "--out-dir", folder, source)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def install(environment: Path, wheel: Path, extra: str = "") -> None:
    """Install the wheel with this project's constraints. Skips if no package registry can be reached."""
    pins = ("--constraint", REPOSITORY / "constraints.txt", "--python", environment / "bin/python")
    done = run(BIN / "uv", "pip", "install", *pins, f"{wheel}{extra}")
    if done.returncode and NO_REGISTRY.search(done.stderr):
        pytest.skip(f"no package registry can be reached: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with only the client and its dependencies."""
    environment = tmp_path_factory.mktemp("alone") / "venv"
    made = run(BIN / "uv", "venv", "--python", sys.executable, environment)
    assert made.returncode == 0, made.stderr
    install(environment, wheel)
    return environment


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:
    with listening(served(build_http(config, graph))) as address:
        yield address


def test_both_archives_pass_twine(built: Path) -> None:
    done = run(sys.executable, "-m", "twine", "check", "--strict", *sorted(built.glob("scenewright*")))
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr


def test_the_wheel_holds_the_client_its_types_and_its_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        reported = HeaderParser().parsestr(archive.read(metadata).decode())
    assert {name.partition("/")[0] for name in names} == {"scenewright", metadata.partition("/")[0]}
    assert "scenewright/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    modules = {
        str(file.relative_to(REPOSITORY / "client")) for file in REPOSITORY.glob("client/scenewright/**/*.py")
    }
    assert modules <= set(names)
    assert (reported["Name"], reported["Version"]) == ("scenewright-client", scenewright.__version__)
    needed = [Requirement(line) for line in reported.get_all("Requires-Dist", [])]
    assert [each.name for each in needed if each.marker is None] == ["httpx"]
    assert set(reported.get_all("Provides-Extra", [])) == {"cli", "django"}


def test_the_source_can_be_built_again(built: Path) -> None:
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "scenewright/py.typed"} <= names


def test_its_licence_is_the_service_s() -> None:
    assert (REPOSITORY / "client/LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()


def test_it_brings_fewer_than_ten_packages_and_paints(alone: Path, url: str, tmp_path: Path) -> None:
    listed = run(BIN / "uv", "pip", "list", "--python", alone / "bin/python", "--format", "freeze").stdout
    assert 2 <= len(listed.split()) < 10, listed
    done = run(alone / "bin/python", "-c", PAINT, url, tmp_path / "scene.jpg", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "True []\n"), done.stderr
    assert (tmp_path / "scene.jpg").read_bytes().startswith(b"\xff\xd8")
    result = run(alone / "bin/scenewright", "models", cwd=tmp_path)
    assert result.returncode == 1
    assert (
        result.stderr == "scenewright: the command line needs click: pip install 'scenewright-client[cli]'\n"
    )


def test_with_its_extras_it_has_a_command_line_and_story_agent(
    alone: Path, wheel: Path, url: str, tmp_path: Path
) -> None:
    install(alone, wheel, "[cli,django]")
    result = run(alone / "bin/scenewright", "--help", cwd=tmp_path)
    commands = result.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in commands] == [
        *("cast", "job", "merge", "models", "scene", "story", "token")
    ], result.stderr
    reported = run(alone / "bin/scenewright", "--version", cwd=tmp_path)
    assert reported.stdout == f"scenewright, version {scenewright.__version__}\n"
    listed = run(alone / "bin/scenewright", "models", "--url", url, cwd=tmp_path)
    assert listed.returncode == 0 and "storybook-character" in listed.stdout, listed.stdout + listed.stderr
    done = run(alone / "bin/python", "-c", STORY, url, tmp_path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"{tmp_path / 's.jpg'} False\n"), done.stderr
    project, place = REPOSITORY / "examples/story_agent", str(tmp_path)
    settings = {"DJANGO_SETTINGS_MODULE": "storybook.settings", "STORY_DATABASE": f"{place}/stories.sqlite3"}
    environment = {**os.environ, **settings, "SCENEWRIGHT_URL": url, "STORY_MEDIA_ROOT": place}
    visited = run(alone / "bin/python", "-c", PROJECT, cwd=project, env=environment)
    assert (visited.returncode, visited.stdout) == (0, "200\n"), visited.stderr
