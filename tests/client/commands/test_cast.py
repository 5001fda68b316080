"""`scenewright cast` against the complete service, over real HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from scenewright.cli import main
from tests.support.uploads import a_file


@pytest.fixture
def url(url_with_worker: str) -> str:
    return url_with_worker


def run(url: str, *arguments: object) -> Result:
    return CliRunner().invoke(main, ["cast", *map(str, arguments), "--url", url])


def test_added_listed_shown_exported_and_removed(url: str, tmp_path: Path) -> None:
    (tmp_path / "kim.png").write_bytes(a_file())
    added = run(
        url, "add", "kim", "--description", "a girl", "--reference", tmp_path / "kim.png", "--seed", 7
    )
    assert (added.exit_code, added.stdout) == (0, "kim  version 1, 1 reference  a girl\n"), added.output
    assert added.stdout in run(url, "list").stdout
    shown = json.loads(run(url, "show", "kim").stdout)
    assert (shown["seed"], len(shown["references"])) == (7, 1)
    again = run(url, "add", "kim")
    assert again.exit_code == 1 and "[name]" in again.stderr
    (tmp_path / "poses.yaml").write_text(
        "- name: idle\n  prompt: standing\n  steps: 2\n- waving, in the rain\n"
    )
    exported = run(url, "export", "kim", "--poses", tmp_path / "poses.yaml", "-o", tmp_path / "out" / "kim")
    assert exported.exit_code == 0, exported.output
    folder = tmp_path / "out" / "kim"
    files = ["kim.png", "kim.json", "poses/idle.png", "poses/waving-in-the-rain.png"]
    assert exported.stdout.split("\n")[:-1] == [str(folder / name) for name in files]
    assert list(json.loads((folder / "kim.json").read_text())["frames"]) == [
        "idle.png",
        "waving-in-the-rain.png",
    ]
    assert (folder / "poses/idle.png").read_bytes().startswith(b"\x89PNG")
    assert run(url, "remove", "kim").stdout == "removed\n"
    gone = run(url, "show", "kim")
    assert (gone.exit_code, "no such member" in gone.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("poses: 3", "must be a list of poses"),
        ("[]", "must be a list of poses"),
        ("- [1]", "pose 0 must be"),
        ("- a: [", "is not YAML"),
        ('{"poses": [', "is not JSON"),
        ("\udcff", "is not UTF-8"),
    ],
)
def test_a_file_of_no_poses_is_refused_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "poses.yaml"
    file.write_bytes(text.encode(errors="surrogateescape"))
    refused = run("http://127.0.0.1:1", "export", "kim", "--poses", file, "-o", tmp_path / "out")
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.output
    assert not (tmp_path / "out").exists()


def test_a_reference_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused = run("http://127.0.0.1:1", "add", "kim", "--reference", tmp_path / "none.png")
    assert refused.exit_code == 2 and "none.png" in refused.stderr
