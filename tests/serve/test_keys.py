from __future__ import annotations

import json
from pathlib import Path

import pytest

from serve.keys import KeyFile


def test_only_a_hash_is_kept(tmp_path: Path) -> None:
    key, whole = KeyFile(tmp_path).create("me", ("generate",), rate=2.0)
    kept = (tmp_path / "keys.json").read_text()
    assert whole.startswith(f"sw_{key.id}_") and len(whole.split("_", 2)[2]) == 43
    assert whole not in kept and whole.split("_", 2)[2] not in kept
    assert (tmp_path / "keys.json").stat().st_mode & 0o777 == 0o600
    found = KeyFile(tmp_path).find(whole, 0)
    assert found == key and found.rate == 2.0 and found.may("generate") and not found.may("jobs")


def test_what_is_no_key(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    assert file.find("sw_00000000_x", 0) is None, "no file at all"
    key, whole = file.create("me", ("generate",))
    others = [
        "",
        "x",
        "sw__",
        whole[:-1],
        whole + "x",
        f"sw_{key.id}_",
        whole.upper(),
        "sw_é_\udcff",
        "_" * 9,
    ]
    assert [file.find(other, 10) for other in others] == [None] * len(others)


def test_a_running_service_hears_of_changes(tmp_path: Path) -> None:
    file, other = KeyFile(tmp_path), KeyFile(tmp_path)
    key, whole = other.create("me", ("admin",))
    assert file.find(whole, 0)
    revoked = other.revoke(key.id)
    assert revoked and revoked.revoked_at
    assert file.find(whole, 0.5), "not looked at again yet"
    assert file.find(whole, 1.5) is None
    assert file.was_revoked(whole)
    assert not file.was_revoked(f"{whole}x"), "a stranger who knows the id learns nothing"
    assert other.revoke(key.id) == revoked
    assert other.revoke("nobody") is None
    assert [kept.id for kept in other.all()] == [key.id]


def test_an_admin_may_everything(tmp_path: Path) -> None:
    key, _ = KeyFile(tmp_path).create("me", ("admin",))
    assert key.may("generate") and key.may("jobs")


@pytest.mark.parametrize("content", ["", "{", "[{}]", '[{"id": 1}]', json.dumps([{"extra": 1}])])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)
    with pytest.raises(ValueError, match="validation error"):
        KeyFile(tmp_path).find("sw_a_b", 0)
