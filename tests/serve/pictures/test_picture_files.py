from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from serve.pictures import picture_files as kept
from serve.pictures.picture_files import UNFINISHED, Damaged, Pictures, open_pictures
from tests.support.picture_rot import ROT, spoil

DATA = b"a picture"


@pytest.fixture(params=["folder", "file", "local", "memory", "s3"])
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Pictures:
    places = {
        "folder": str(tmp_path / "deep" / "pictures"),
        "file": f"file://{tmp_path / 'deep' / 'pictures'}",
        "local": f"local://{tmp_path}",
        "memory": f"memory://{tmp_path.name}",
    }
    if request.param == "s3":
        return open_pictures(f"s3://{request.getfixturevalue('bucket')}/folder")
    return open_pictures(places[request.param])


def test_a_picture_has_the_name_of_its_bytes(pictures: Pictures) -> None:
    name = pictures.put(DATA)
    assert name == hashlib.sha256(DATA).hexdigest() == pictures.put(DATA)
    assert pictures.get(name) == DATA
    assert pictures.put(b"another") != name


def test_what_is_dropped_is_gone_and_can_be_dropped_again(pictures: Pictures) -> None:
    name = pictures.put(DATA)
    assert pictures.has(name)
    pictures.drop(name)
    assert not pictures.has(name)
    with pytest.raises(OSError, match=r"."):
        pictures.get(name)
    pictures.drop(name)


def test_a_kind_of_store_that_nobody_knows() -> None:
    with pytest.raises(OSError, match="attic"):
        open_pictures("attic://pictures")


def test_what_was_begun_long_ago_is_swept_away_whatever_our_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file server's clock may differ from ours: a file that another process is writing stays."""
    open_pictures(str(tmp_path))
    writing, torn = tmp_path / UNFINISHED / "writing", tmp_path / UNFINISHED / "torn"
    for file in (writing, torn):
        file.touch()
    os.utime(torn, (0, 0))
    monkeypatch.setattr(time, "time", lambda: 4e9)
    open_pictures(str(tmp_path))
    assert (writing.exists(), torn.exists()) == (True, False)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left")

    pictures = open_pictures(str(tmp_path))
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        pictures.put(DATA)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("rot", ROT)
def test_a_rotten_file_is_never_handed_out_and_healed_by_the_next_who_keeps_it(
    pictures: Pictures, rot: str
) -> None:
    name = pictures.put(DATA)
    spoil(pictures, name, ROT[rot](DATA))
    with pytest.raises(Damaged, match=name):
        pictures.get(name)
    assert pictures.put(DATA) == name
    assert pictures.get(name) == DATA


def test_a_lost_file_is_distinguished_from_a_lost_store(pictures: Pictures) -> None:
    other, name = pictures.put(b"another"), pictures.put(DATA)
    spoil(pictures, name, None)
    with pytest.raises(Damaged, match="missing"):
        pictures.get(name)
    assert pictures.get(other) == b"another"


def test_a_damaged_file_is_not_read_beyond_what_any_kept_one_has(
    pictures: Pictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "MOST_BYTES", len(DATA))
    name = pictures.put(DATA)
    assert pictures.get(name) == DATA
    monkeypatch.setattr(kept, "MOST_BYTES", len(DATA) - 1)
    with pytest.raises(Damaged, match="corrupt"):
        pictures.get(name)


def no_file(path: Path) -> None:
    path.mkdir()
    (path / "inside").touch()


OTHER_THINGS: dict[str, Callable[[Path], None]] = {
    "a folder": no_file,
    "a pipe": os.mkfifo,
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("thing", OTHER_THINGS)
def test_something_else_in_its_place(tmp_path: Path, thing: str) -> None:
    pictures = open_pictures(str(tmp_path))
    name = pictures.put(DATA)
    path = tmp_path / name[:2] / name
    for heal in (lambda: pictures.put(DATA), lambda: pictures.drop(name)):
        path.unlink()
        OTHER_THINGS[thing](path)
        with pytest.raises(Damaged):
            pictures.get(name)
        heal()
    assert not os.path.lexists(path)


def test_a_sector_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    pictures = open_pictures(str(tmp_path))
    name = pictures.put(DATA)
    with monkeypatch.context() as broken:
        broken.setattr(kept, "_bounded", fail)
        with pytest.raises(Damaged, match="unreadable"):
            pictures.get(name)
    assert pictures.get(name) == DATA


def test_a_disk_that_is_not_mounted_damages_no_picture(tmp_path: Path) -> None:
    pictures = open_pictures(str(tmp_path / "mounted"))
    name = pictures.put(DATA)
    shutil.rmtree(tmp_path / "mounted")
    (tmp_path / "mounted").mkdir()
    with pytest.raises(FileNotFoundError):
        pictures.get(name)
