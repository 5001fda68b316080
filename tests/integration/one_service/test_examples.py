"""The examples, as a reader would run them, against the whole service on real Ray; and the page over it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx
from PIL import Image

from tests.support.running_service import REPOSITORY


def example(url: str, folder: Path, name: str, *arguments: str) -> str:
    environment = {**os.environ, "SCENEWRIGHT_URL": url, "PYTHONPATH": str(REPOSITORY)}
    program = [sys.executable, str(REPOSITORY / "examples" / name), *arguments]
    done = subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_story_file_becomes_pictures_and_a_storyboard(url: str, tmp_path: Path) -> None:
    story = str(REPOSITORY / "examples/story.txt")
    reported = example(url, tmp_path, "storyboard.py", story, "-o", "book")
    pictures = sorted((tmp_path / "book").glob("scene-*.jpg"))
    assert len(pictures) == 6
    with Image.open(pictures[5]) as picture:
        assert picture.size == (1024, 512)
    book = (tmp_path / "book/index.html").read_text()
    assert book.count("<img") == 6 and "And in spring they all come home." in book
    assert "book/index.html" in reported
    example(url, tmp_path, "storyboard.py", story, "-o", "book")
    jobs = httpx.get(f"{url}/v1/jobs", trust_env=False).json()["data"]
    assert len(jobs) == 1, "run again, it goes on with the job that it has"


def test_the_notebook_runs(url: str, tmp_path: Path) -> None:
    reported = example(url, tmp_path, "notebook.py")
    assert "InvalidRequest background.num_inference_steps" in reported
    with Image.open(tmp_path / "scene.jpg") as picture:
        assert picture.size == (1024, 512)


def test_the_page_is_served_with_its_rules(url: str) -> None:
    response = httpx.get(url, trust_env=False)
    assert "<title>Scenewright</title>" in response.text
    assert "script-src 'self'" in response.headers["content-security-policy"]
