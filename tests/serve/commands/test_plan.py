"""`scenewright plan` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from serve.cli import main
from serve.planning.profile import LayerProfile, Profile

LAYER = LayerProfile(steps=4, encode_s=0.0, step_s={1: 0.5}, decode_s=0.0)
PROFILE = Profile(device="a card", backend="diffusers", character=LAYER, background=LAYER, merge_s=0.1)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["plan", *map(str, arguments)])


def profile(folder: Path, name: str = "profile", model: str = "") -> Path:
    file = folder / f"{name}.json"
    named = PROFILE.model_copy(update={"character": LAYER.model_copy(update={"model": model})})
    file.write_text(named.model_dump_json())
    return file


def test_a_plan(tmp_path: Path) -> None:
    result = run("--rps", 1, "--p95", 4, "--profile", profile(tmp_path), "--scenes", 1000)
    assert result.exit_code == 0, result.output
    assert "1 scenes/s, 95% within 4 s, on a card\n" in result.output


def test_a_plan_as_json(tmp_path: Path) -> None:
    result = run("--rps", 1, "--p95", 4, "--profile", profile(tmp_path), "--scenes", 1000, "--json")
    assert json.loads(result.output)["chosen"]["latency_s"]["p95"] <= 4


def test_a_plan_for_several_models(tmp_path: Path) -> None:
    one, other = profile(tmp_path, "one"), profile(tmp_path, "other", "some/model")
    requested = ("--p95", 4, "--scenes", 1000, "--profile", one, "--rps", 1, "--profile", other, "--rps", 2)
    text = run(*requested).output
    assert "\n\ncharacter: some/model\n2 scenes/s" in text
    data = json.loads(run(*requested, "--json").output)
    assert [each["models"]["character"] for each in data["plans"]] == [None, "some/model"]
    assert data["gpus"] == sum(each["chosen"]["gpus"] for each in data["plans"])
    assert text.endswith(f"GPUs of all models: {data['gpus']}\n")


def test_each_profile_has_its_load(tmp_path: Path) -> None:
    result = run("--rps", 1, "--p95", 4, "--profile", profile(tmp_path), "--rps", 2)
    assert result.exit_code == 2
    assert "--rps once for each --profile" in result.output


def test_an_impossible_goal_is_a_sentence(tmp_path: Path) -> None:
    result = run("--rps", 1, "--p95", 1, "--profile", profile(tmp_path))
    assert result.exit_code == 1
    assert "Error: a scene alone on idle replicas takes 2.10 s" in result.output


def test_what_is_no_profile_is_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "p.json"
    file.write_text("[]")
    result = run("--rps", 1, "--p95", 1, "--profile", file)
    assert result.exit_code == 1
    assert str(file) in result.output
