"""`scenewright scene`: each layer starts from its own picture."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.client_answers import a_png
from tests.support.poses import KEYPOINTS
from tests.support.stub_service import Stub, run
from tests.support.stub_service import server as server

NO_ONE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, colour in (("hero.png", "red"), ("mask.png", "white"), ("castle.png", "blue")):
        (tmp_path / name).write_bytes(a_png(colour))
    return tmp_path


@pytest.mark.parametrize("previews", [(), ("--previews", "steps")])
def test_each_layer_starts_from_its_picture(previews: tuple[str, ...], files: Path, server: Stub) -> None:
    hero = ["--image", "hero.png", "--mask", "mask.png", "--strength", 0.4]
    place = ["--background-image", "castle.png", "--background-strength", 1]
    server.responses["/v1/scenes?previews=10"] = server.responses["/v1/scenes"]
    result = run("scene", "a", "b", "-o", "s.png", *hero, *place, *previews, "--url", server.url)
    # The fake server sends no events, which --previews needs.
    assert result.exit_code == (1 if previews else 0), result.output
    ids = {name: {"id": f"pic_{index}"} for index, name in enumerate(("hero", "mask", "castle"))}
    assert server.uploads == [(files / f"{name}.png").read_bytes() for name in ids]
    asked = server.requested[-1]
    assert asked["character"] == {
        "prompt": "a",
        "image": ids["hero"],
        "mask": ids["mask"],
        "strength": 0.4,
    }
    assert asked["background"] == {"prompt": "b", "image": ids["castle"], "strength": 1}


def test_layers_are_painted_by_references_and_a_pose(files: Path, server: Stub) -> None:
    (files / "pose.json").write_text(json.dumps({"keypoints": KEYPOINTS}))
    hero = ["--reference", "hero.png", "--reference", "castle.png", "--reference-scale", 0.8]
    place = ["--background-reference", "castle.png", "--background-reference-scale", 0]
    pose = ["--pose", "pose.json", "--pose-scale", 1.5]
    result = run("scene", "a", "b", "-o", "s.png", *hero, *place, *pose, "--url", server.url)
    assert result.exit_code == 0, result.output
    ids = [{"id": f"pic_{index}"} for index in range(2)]
    assert server.requested[-1]["character"] == {
        "prompt": "a",
        "references": ids,
        "reference_scale": 0.8,
        "pose": {"keypoints": KEYPOINTS},
        "pose_scale": 1.5,
    }
    assert server.requested[-1]["background"] == {
        "prompt": "b",
        "references": [ids[1]],
        "reference_scale": 0,
    }


def test_all_layers_may_cache_their_guidance(server: Stub) -> None:
    several = ["--character", "c", "--guidance-cache", 3]
    assert run("scene", "a", "b", "-o", "s.png", *several, "--url", server.url).exit_code == 0
    asked = server.requested[-1]
    layers = [*asked["characters"], asked["background"]]
    assert [layer["speed"] for layer in layers] == [{"cache": 3}] * 3
    assert run("scene", "a", "b", "-o", "s.png", "--guidance-cache", 1).exit_code == 2


def test_a_pose_is_a_list_or_a_picture_too(files: Path, server: Stub) -> None:
    (files / "pose.JSON").write_text(json.dumps(KEYPOINTS))
    for file, pose in (("pose.JSON", {"keypoints": KEYPOINTS}), ("hero.png", {"image": {"id": "pic_0"}})):
        assert run("scene", "a", "b", "-o", "s.png", "--pose", file, "--url", server.url).exit_code == 0
        assert server.requested[-1]["character"] == {"prompt": "a", "pose": pose}


BAD_POSES = {
    "text.json": "no json",
    "nan.json": '{"keypoints": [[NaN, 0, 1]]}',
    "empty.json": "{}",
    "number.json": "5",
    "deep.json": "[" * 100_000,
    "large.json": " " * (1 << 20) + "[]",
}


@pytest.mark.parametrize("name", BAD_POSES)
def test_a_file_that_holds_no_pose_is_a_sentence(name: str, files: Path) -> None:
    (files / name).write_text(BAD_POSES[name])
    result = run("scene", "a", "b", "-o", "s.png", "--pose", name, "--url", NO_ONE)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert "--pose" in line and name in line


def test_of_several_figures_the_first_starts_from_it(files: Path, server: Stub) -> None:
    figures = ["--character", "a dog", "--image", "hero.png"]
    assert run("scene", "a", "b", "-o", "s.png", *figures, "--url", server.url).exit_code == 0
    assert server.requested[-1]["characters"] == [
        {"prompt": "a", "image": {"id": "pic_0"}},
        {"prompt": "a dog"},
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--image", "nowhere.png"), "--image"),
        (("--image", "."), "--image"),
        (("--image", "hero.png", "--mask", "nowhere.png"), "--mask"),
        (("--mask", "mask.png"), "--mask"),
        (("--strength", "0.5"), "--strength"),
        (("--background-image", "nowhere.png"), "--background-image"),
        (("--background-mask", "mask.png", "--image", "hero.png"), "--background-mask"),
        (("--background-strength", "0.5", "--image", "hero.png"), "--background-strength"),
        (("--reference", "nowhere.png"), "--reference"),
        (("--reference", "hero.png") * 5, "--reference"),
        (("--reference-scale", "0.5"), "--reference-scale"),
        (("--reference", "hero.png", "--reference-scale", "nan"), "--reference-scale"),
        (("--background-reference-scale", "0.5", "--reference", "hero.png"), "--background-reference-scale"),
        (("--pose", "nowhere.json"), "--pose"),
        (("--pose-scale", "0.5"), "--pose-scale"),
        *((("--image", "hero.png", "--strength", text), "--strength") for text in ("0", "1.1", "nan", "x")),
    ],
)
def test_what_cannot_be_started_from_is_a_sentence(words: tuple[str, ...], named: str, files: Path) -> None:
    result = run("scene", "a", "b", "-o", "s.png", *words, "--url", NO_ONE)
    assert result.exit_code == 2
    (line,) = (line for line in result.stderr.splitlines() if line.startswith("Error: "))
    assert named in line


def test_a_picture_that_is_too_large_is_a_sentence(files: Path) -> None:
    with (files / "large.png").open("wb") as file:
        file.truncate(1 << 40)  # A sparse file: it uses no disk space.
    result = run("scene", "a", "b", "-o", "s.png", "--background-image", "large.png", "--url", NO_ONE)
    assert result.exit_code == 2
    assert "background.image: the file 'large.png' is larger than 16 MiB" in result.stderr
