from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from serve.cli import main
from serve.keys import KeyFile


def run(state_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["keys", "--state-dir", str(state_dir), *arguments])


def test_created_listed_and_revoked(tmp_path: Path) -> None:
    made = run(tmp_path / "new", "create", "the site", "--scope", "generate", "--rate", "2", "--burst", "9")
    assert made.exit_code == 0, made.output
    whole = made.stdout.strip()
    key = KeyFile(tmp_path / "new").find(whole, 0)
    assert key and (key.name, key.scopes, key.rate, key.burst) == ("the site", ("generate",), 2, 9)
    listed = run(tmp_path / "new", "list").stdout
    assert key.id in listed and "generate  the site" in listed and whole not in listed
    assert run(tmp_path / "new", "revoke", key.id).exit_code == 0
    assert "revoked  the site" in run(tmp_path / "new", "list").stdout
    assert KeyFile(tmp_path / "new").find(whole, 0) is None


@pytest.mark.parametrize(
    "arguments", [("create",), ("create", "x", "--scope", "all"), ("create", "x", "--burst", "2")]
)
def test_wrong_arguments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert run(tmp_path, *arguments).exit_code == 2
    assert not (tmp_path / "keys.json").exists()


def test_what_goes_wrong_is_a_sentence(tmp_path: Path) -> None:
    assert "no key nobody" in run(tmp_path, "revoke", "nobody").stderr
    (tmp_path / "keys.json").write_text("{")
    assert "damaged" in run(tmp_path, "list").stderr
    (tmp_path / "file").touch()
    assert run(tmp_path / "file", "create", "x").exit_code == 1
