from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from serve.jobs.pictures import UNFINISHED, Pictures, open_pictures

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
    """A file server's clock is not ours: what another process is writing just now stays."""
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
