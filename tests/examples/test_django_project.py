"""examples/story_agent, as its reader would run it, against a live service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from serve.config.service_config import ServiceConfig
from serve.graph.scene import Graph
from serve.ingress import build_http
from tests.support.local_service import config, graph, listening, served  # noqa: F401

PROJECT = Path(__file__).parents[2] / "examples/story_agent"
VIEWS = """
import django; django.setup()
from django.test import Client
client = Client()
assert client.get("/pages/1.jpg").status_code == 404
assert b"<img" not in client.get("/").content
assert client.post("/").status_code == 302
assert client.get("/").content.count(b"<img") == 3
assert client.get("/pages/3.jpg").getvalue().startswith(b"\\xff\\xd8")
assert client.get("/pages/4.jpg").status_code == 404
"""


@pytest.fixture(scope="module")
def url(config: ServiceConfig, graph: Graph) -> Iterator[str]:  # noqa: F811
    with listening(served(build_http(config, graph))) as address:
        yield address


def django(url: str, folder: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "SCENEWRIGHT_URL": url,
        "DEFAULT_STEPS": "2",
        "STORY_MEDIA_ROOT": str(folder),
        "DJANGO_SETTINGS_MODULE": "storybook.settings",
    }
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_command_makes_a_story_of_three_pages(url: str, tmp_path: Path) -> None:
    reported = django(url, tmp_path, "manage.py", "illustrate")
    for number in (1, 2, 3):
        assert f"{number} {tmp_path / f'page-{number}.jpg'}" in reported
        with Image.open(tmp_path / f"page-{number}.jpg") as picture:
            assert picture.size == (1024, 512)
    book = (tmp_path / "story.html").read_text()
    assert book.count('src="page-') == 3 and "<form" not in book


def test_the_view_paints_and_shows(url: str, tmp_path: Path) -> None:
    django(url, tmp_path, "-c", VIEWS)
