"""`scenewright plan` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from serve.cli import main
from serve.planning.device_profile import LayerProfile, Profile
from serve.planning.published import PUBLISHED

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


def test_a_published_profile_is_marked_as_such(tmp_path: Path) -> None:
    asked = ("--rps", 1, "--p95", 10, "--scenes", 500, "--profile")
    source = PUBLISHED["sd1-a100"].source
    assert f"\nfrom published times, not measured: {source}\n" in run(*asked, "sd1-a100").output
    assert json.loads(run(*asked, "sd1-a100", "--json").output)["source"] == source
    measured = run(*asked, profile(tmp_path))
    assert measured.exit_code == 0 and "published" not in measured.output
    assert json.loads(run(*asked, profile(tmp_path), "--json").output)["source"] is None


def test_published_profiles_are_listed_with_their_sources() -> None:
    result = run("--published")
    assert result.exit_code == 0
    for line, (name, published) in zip(result.output.splitlines(), PUBLISHED.items(), strict=True):
        assert line.split()[0] == name
        assert published.device in line and published.source in line


def test_an_unknown_profile_is_refused_with_the_names_that_there_are() -> None:
    result = run("--rps", 1, "--p95", 4, "--profile", "sd1-a1000")
    assert result.exit_code == 2
    assert all(name in result.output for name in PUBLISHED)
