"""docs/sizing.md: its commands run, and it lists every published profile with its source."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from serve.cli import main
from serve.planning.profile import LayerProfile, Profile
from serve.planning.published import PUBLISHED

PAGE = (Path(__file__).parents[2] / "docs/sizing.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(scenewright plan .*)$", PAGE, re.MULTILINE)
LAYER = LayerProfile(steps=20, encode_s=0.0, step_s={1: 0.03}, decode_s=0.0)


@pytest.mark.parametrize("command", COMMANDS)
def test_its_plans_can_be_made(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    measured = Profile(
        device="a card", backend="diffusers", character=LAYER, background=LAYER, merge_s=0.1
    ).model_dump_json()
    (tmp_path / "profile.json").write_text(measured)
    _, *words = shlex.split(command, comments=True)
    fewer = [] if "--published" in words else ["--scenes", "500"]
    result = CliRunner().invoke(main, [*words, *fewer])
    assert result.exit_code == 0, result.output


def test_every_published_profile_is_in_its_table() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.+?) \| (.+?) \| \[(.+?)\] \|$", PAGE, re.MULTILINE)
    links = dict(re.findall(r"^\[(.+?)\]: (\S+)$", PAGE, re.MULTILINE))
    assert {name: (device, model) for name, device, model, _ in rows} == {
        name: (each.device, each.character.model) for name, each in PUBLISHED.items()
    }
    for name, _, _, source in rows:
        assert links[source] in PUBLISHED[name].source
