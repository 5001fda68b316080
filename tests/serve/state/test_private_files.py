"""Only the service's account can access its files, whatever the umask and whoever created them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve.auth.key_store import open_keys
from serve.pictures.picture_files import FolderPictures
from serve.state.private_files import make_file, new_ones_shut, shut_all


@pytest.fixture(autouse=True)
def nothing_masked() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.lstat().st_mode & 0o777) for path in folder.rglob("*")}


def test_all_that_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "some/state"
    store = open_keys(folder)
    store.create("me", ("generate",))
    name = FolderPictures(folder / "pictures").put(b"a picture")
    found = modes(tmp_path)
    assert {"jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm", name} <= {*found}
    for path in tmp_path.rglob("*"):
        assert found[path.name] == ("0o700" if path.is_dir() else "0o600"), path


def test_what_an_earlier_version_left_open(tmp_path: Path) -> None:
    (tmp_path / "state/pictures/ab").mkdir(parents=True, mode=0o777)
    (tmp_path / "state/jobs.sqlite").touch(0o644)
    (tmp_path / "state/pictures/ab/cd").touch(0o666)
    (tmp_path / "elsewhere").touch(0o644)
    (tmp_path / "state/link").symlink_to(tmp_path / "elsewhere")
    shut_all(tmp_path / "state")
    assert modes(tmp_path) == {
        "state": "0o700",
        "pictures": "0o700",
        "ab": "0o700",
        "cd": "0o600",
        "jobs.sqlite": "0o600",
        "link": "0o777",
        "elsewhere": "0o644",
    }


def test_a_link_to_a_file_that_is_yet_to_be_made(tmp_path: Path) -> None:
    (tmp_path / "jobs.sqlite").symlink_to(tmp_path / "volume.sqlite")
    make_file(tmp_path / "jobs.sqlite")
    assert modes(tmp_path)["volume.sqlite"] == "0o600"


def test_what_is_made_meanwhile(tmp_path: Path) -> None:
    with new_ones_shut():
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/file").touch()
    assert modes(tmp_path) == {"folder": "0o700", "file": "0o600"}
    assert os.umask(0) == 0
