"""The examples without a service, or unable to send: they print one sentence and exit with 1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SECRET = "sup3rsecret"
STORY = str(EXAMPLES / "story.txt")
PROGRAMS = {
    "storyboard": (str(EXAMPLES / "storyboard.py"), STORY, "-o", "book"),
    "notebook": (str(EXAMPLES / "notebook.py"),),
    "illustrate": (str(EXAMPLES / "story_agent/manage.py"), "illustrate", "--output", "book"),
}


def run(folder: Path, *command: str, **environment: str) -> str:
    """Return the one line on stderr."""
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), **environment}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert SECRET not in done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("name", PROGRAMS)
def test_nobody_serves(name: str, tmp_path: Path) -> None:
    said = run(tmp_path, *PROGRAMS[name], SCENEWRIGHT_URL="http://127.0.0.1:9")
    assert "no Scenewright at http://127.0.0.1:9" in said and "scripts/serve" in said
    assert not list(tmp_path.rglob("*.jpg"))


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(
    ("url", "key"), [("here", "k"), (f"http://u:{SECRET}@h", "k"), ("http://127.0.0.1:9", f"{SECRET}\nx")]
)
def test_what_cannot_be_requested(name: str, url: str, key: str, tmp_path: Path) -> None:
    said = run(tmp_path, *PROGRAMS[name], SCENEWRIGHT_URL=url, SCENEWRIGHT_API_KEY=key)
    assert "address" in said or "API key" in said


@pytest.mark.parametrize(
    "arguments", [("nowhere.txt",), (".",), ("odd.txt",), ("bytes.txt",), (STORY, "-o", "odd.txt")]
)
def test_a_story_that_cannot_be_read_or_written(arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "odd.txt").write_text("a fox")
    (tmp_path / "bytes.txt").write_bytes(b"caf\xe9 | a wood")
    run(tmp_path, PROGRAMS["storyboard"][0], *arguments, SCENEWRIGHT_URL="http://127.0.0.1:9")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for program in (PROGRAMS["storyboard"][:2], PROGRAMS["illustrate"][:2]):
        option = "-o" if "storyboard" in program[0] else "--output"
        run(tmp_path, *program, option, "file/book", SCENEWRIGHT_URL="http://127.0.0.1:9")
