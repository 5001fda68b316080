"""docs/guides/stories.md: its commands run, and do what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.support.local_service import REPOSITORY
from tests.support.local_service import config as config
from tests.support.local_service import graph as graph
from tests.support.local_service import url_with_worker as url_with_worker
from tests.support.story_requests import story

GUIDE = (REPOSITORY / "docs/guides/stories.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python|json)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
URL = "http://127.0.0.1:8000"
SHELL = [code for kind, code in BLOCKS if kind == "sh"]


@pytest.fixture
def painted(url_with_worker: str) -> str:
    """A story of four pages, whose words the simulated painters do not read."""
    with httpx.Client(base_url=url_with_worker, timeout=60, trust_env=False) as http:
        response = http.post("/v1/stories", json=story(4))
        assert response.status_code == 202, response.text
        return str(response.json()["id"])


@pytest.mark.parametrize("code", SHELL, ids=[code.split("\n")[0][:40] for code in SHELL])
def test_the_commands(
    code: str, url_with_worker: str, painted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(REPOSITORY / "examples")
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("SCENEWRIGHT_URL", url_with_worker)
    command = f"{sys.executable} -m scenewright"
    script = code.replace("scenewright ", f"{command} ").replace(URL, url_with_worker)
    script = script.replace(
        "curl ", "curl --fail-with-body --silent --show-error --retry 20 --retry-all-errors "
    )
    ready = f"{command} story show {painted} --wait\n"
    done = subprocess.run(
        ["sh", "-ec", f"story={painted}\n{ready}{script}"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in re.findall(r"-o (\S+)", code):
        assert (tmp_path / name).read_bytes().startswith((b"%PDF", b"PK")), name


def test_the_python(url_with_worker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "*")
    (code,) = [code for kind, code in BLOCKS if kind == "python"]
    exec(code.replace(URL, url_with_worker), {})  # noqa: S102 (it is ours)
    assert (tmp_path / "book.pdf").read_bytes().startswith(b"%PDF")


def test_the_json() -> None:
    for kind, code in BLOCKS:
        if kind == "json":
            json.loads(code)
