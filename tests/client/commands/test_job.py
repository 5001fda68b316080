"""`scenewright job` against the complete service, over real HTTP, with a worker."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from scenewright import STORY_SEED, Gone, Scenewright, read_story, story_requests
from scenewright.cli import main
from tests.support.scene_requests import SCENE


@pytest.fixture
def url(url_with_worker: str) -> str:
    return url_with_worker


def run(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["job", *map(str, arguments), "--url", url])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "scenes.json"
    path.write_text(json.dumps([SCENE, SCENE | {"output": {"format": "png"}, "layers": True}]))
    return path


def test_submitted_waited_for_and_fetched(url: str, file: Path, tmp_path: Path) -> None:
    result = run(url, "submit", file, "--wait", "--idempotency-key", "k")
    assert result.exit_code == 0, result.output
    job_id = result.stdout.split()[0]
    assert "succeeded: 2 of 2" in result.stdout
    assert run(url, "submit", file, "--idempotency-key", "k").stdout.split() == [job_id]
    fetched = run(url, "fetch", job_id, "-o", tmp_path / "new" / "pictures")
    files = [Path(line) for line in fetched.stdout.split()]
    assert [path.name for path in files] == ["scene-0000.jpg", "scene-0001.png"]
    assert [path.read_bytes()[:4] for path in files] == [b"\xff\xd8\xff\xe0", b"\x89PNG"]
    listed = run(url, "list", "--limit", 5).stdout
    assert f"{job_id}  succeeded: 2 of 2" in listed
    assert run(url, "cancel", job_id).stdout.strip() == "succeeded"
    assert run(url, "status", job_id).exit_code == 0, "a job that has ended is not cancelled, and is kept"
    assert run(url, "remove", job_id).stdout.strip() == "removed"
    gone = run(url, "remove", job_id)
    assert (gone.exit_code, "there is no such job" in gone.stderr) == (1, True)


def test_a_picture_that_is_gone_keeps_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Service:
        def job(self, job_id: str) -> Any:
            return {"scenes": [{"index": index, "url": "x"} for index in range(3)]}

        def job_picture(self, job_id: str, index: int) -> tuple[bytes, str]:
            if index == 1:
                raise Gone(410, "gone", "the kept picture was found empty")
            return b"a picture", "png"

    monkeypatch.setattr(
        sys.modules["scenewright.commands.job"], "connected", lambda *reported: nullcontext(Service())
    )
    fetched = run("http://localhost", "fetch", "a", "-o", tmp_path)
    assert (fetched.exit_code, fetched.stderr) == (1, "scene 1: the kept picture was found empty\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scene-0000.png", "scene-0002.png"]


def test_what_has_not_ended_is_not_removed(url: str, tmp_path: Path) -> None:
    path = tmp_path / "long.json"
    path.write_text(json.dumps([SCENE] * 200))
    job_id = run(url, "submit", path).stdout.strip()
    refused = run(url, "remove", job_id)
    assert (refused.exit_code, "the job has not ended" in refused.stderr) == (1, True)
    assert run(url, "cancel", job_id).stdout.strip() == "cancelled"
    assert run(url, "remove", job_id).stdout.strip() == "removed"


def test_a_failed_scene_is_reported_and_exits_1(url: str, tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"scenes": [SCENE | {"deadline_s": 0.0001}]}))
    result = run(url, "submit", path, "--wait")
    assert result.exit_code == 1
    assert "scene 0: the picture was not finished" in result.stderr
    assert run(url, "status", result.stdout.split()[0], "--wait").exit_code == 1


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "7"])
def test_a_file_of_something_else(url: str, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    assert run(url, "submit", path).exit_code == 2


def test_the_services_refusal_is_reported(url: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text('[{"character": "a"}]')
    result = run(url, "submit", path)
    assert result.exit_code == 1
    assert "scenes.0.background" in result.stderr
    assert run(url, "status", "x").exit_code == 1


def test_a_story_file_is_submitted_as_its_scenes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submitted: list[Any] = []

    def submit(self: Scenewright, scenes: list[Any], *_: str | None) -> dict[str, str]:
        submitted.append(scenes)
        return {"id": "j1"}

    monkeypatch.setattr(Scenewright, "submit_job", submit)
    path = tmp_path / "story.txt"
    path.write_text("\ufeff# a story\na knight | a castle | Once.\n| a wood\n")
    for arguments in ((), ("--story-seed", 7)):
        result = run("http://127.0.0.1:1", "submit", path, *arguments)
        assert result.exit_code == 0, result.output
    assert submitted == [story_requests(read_story(path.read_text()), seed) for seed in (STORY_SEED, 7)]
    first, second = submitted[0]
    assert first["character"] == second["character"]
    assert [scene["background"]["prompt"] for scene in submitted[0]] == ["a castle", "a wood"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("story.txt", b"a knight", "line 1 needs who and where"),
        ("story.txt", b"\xff | a castle", "is not UTF-8"),
        ("story", b"", "the story has no scenes"),
    ],
)
def test_a_story_that_cannot_be_read(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    result = run("http://127.0.0.1:1", "submit", path)
    assert result.exit_code == 2
    assert message in result.stderr


def test_a_story_seed_is_for_stories(url: str, file: Path) -> None:
    result = run(url, "submit", file, "--story-seed", 7)
    assert (result.exit_code, "is not a story" in result.stderr) == (2, True)
