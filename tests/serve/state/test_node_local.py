"""Folders of jobs that differ from node to node. Tests with real nodes are in tests/cluster."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from serve.config.job_config import JobConfig
from serve.state import node_local
from serve.state.drivers import refuse_missing_drivers
from serve.state.node_local import (
    MARK,
    fault,
    local_folders,
    look,
    mark,
)

REMOTE = {"database": "postgresql+psycopg://me:secret@db/scenes", "pictures": "s3://bucket/scenes"}


@pytest.mark.parametrize(
    ("settings", "folders"),
    [
        ({}, {"database": "/s", "pictures": "/s/pictures"}),
        (REMOTE, {}),
        (REMOTE | {"database": "sqlite:////d/jobs.sqlite"}, {"database": "/d"}),
        (REMOTE | {"database": "sqlite+pysqlite:////d/jobs.sqlite"}, {"database": "/d"}),
        (REMOTE | {"database": "postgresql:///scenes"}, {}),
        (REMOTE | {"pictures": None}, {"pictures": "/s/pictures"}),
        (REMOTE | {"pictures": "/mnt/pictures"}, {"pictures": "/mnt/pictures"}),
        (REMOTE | {"pictures": "file:///mnt/pictures"}, {"pictures": "/mnt/pictures"}),
        (REMOTE | {"pictures": "local:///mnt/pictures"}, {"pictures": "/mnt/pictures"}),
        (REMOTE | {"pictures": "simplecache::file:///mnt/pictures"}, {"pictures": "/mnt/pictures"}),
        (REMOTE | {"pictures": "simplecache::s3://bucket/scenes"}, {}),
    ],
)
def test_what_lies_in_a_folder(settings: dict[str, str | None], folders: dict[str, str]) -> None:
    found = local_folders(JobConfig(**settings), Path("/s"))
    assert {name: str(folder) for name, folder in found.items()} == folders


def test_one_node_has_what_it_has_marked(tmp_path: Path) -> None:
    jobs, state = JobConfig(), tmp_path / "state"
    home = mark(jobs, state)
    assert home and home.database and home.pictures and home.database != home.pictures
    assert mark(jobs, state) == home == look(jobs, state)
    assert fault(jobs, state, home, look(jobs, state)) is None
    assert {path.name for path in state.rglob("*")} == {MARK, "pictures"}
    assert (state / MARK).stat().st_mode & 0o777 == 0o600


def test_nothing_is_marked_where_nothing_lies_in_a_folder(tmp_path: Path) -> None:
    assert mark(JobConfig(**REMOTE), tmp_path) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("other", ["empty", "missing", "marked as another"])
def test_another_node_s_folder_is_refused_in_one_sentence(tmp_path: Path, other: str) -> None:
    state = tmp_path / "state"
    home = mark(JobConfig(), state)
    state.rename(tmp_path / "of the other node")
    if other != "missing":
        (state / "pictures").mkdir(parents=True)
    if other == "marked as another":
        mark(JobConfig(), state)
    sentence = fault(JobConfig(), state, home, look(JobConfig(), state))
    assert sentence and "\n" not in sentence and ". " not in sentence
    for word in (
        f"jobs.database in {state} and jobs.pictures in {state}/pictures",
        "SCENEWRIGHT_DATABASE",
        "PostgreSQL",
        "SCENEWRIGHT_PICTURES",
        "s3://",
    ):
        assert word in sentence


def test_a_folder_that_nodes_mount_is_right_for_pictures_and_wrong_for_sqlite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite locks through memory that only the processes of one machine share."""
    home = mark(JobConfig(), tmp_path)
    boot_id = tmp_path / "boot_id"
    boot_id.write_text("another machine\n")
    monkeypatch.setattr(node_local, "BOOT_ID", boot_id)
    sentence = fault(JobConfig(), tmp_path, home, look(JobConfig(), tmp_path))
    assert sentence and "jobs.database" in sentence and "jobs.pictures" not in sentence
    with_postgres = JobConfig(database=REMOTE["database"])
    assert fault(with_postgres, tmp_path, home, look(with_postgres, tmp_path)) is None


def test_without_a_home_nothing_is_known_to_be_the_same(tmp_path: Path) -> None:
    assert fault(JobConfig(), tmp_path, None, look(JobConfig(), tmp_path))
    assert fault(JobConfig(**REMOTE), tmp_path, None, look(JobConfig(**REMOTE), tmp_path)) is None


def test_two_that_mark_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        marks = list(pool.map(lambda _: mark(JobConfig(), tmp_path), range(16)))
    assert set(marks) == {look(JobConfig(), tmp_path)}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"database": "sqlite://"}, "must name a file"),
        ({"database": "sqlite:///:memory:"}, "must name a file"),
        ({"database": "sqlite:///file:x?mode=memory&uri=true"}, "must name a file"),
        ({"database": "mysql://host/name"}, "must be a URL for PostgreSQL"),
        ({"pictures": "memory://pictures"}, "must not be in memory"),
        ({"pictures": "simplecache::memory://pictures"}, "must not be in memory"),
    ],
)
def test_what_no_two_processes_share_is_refused(settings: dict[str, str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TypeAdapter(JobConfig).validate_python(settings)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"database": "postgresql+nobody://db/x"}, "jobs.database names a driver"),
        ({"database": "postgresql+pg8000://db/x"}, r"jobs.database needs pg8000, .*\[postgres\]"),
        ({"pictures": "nothing://x"}, "jobs.pictures: nothing:// is not a protocol"),
        ({"pictures": "abfs://x"}, "jobs.pictures: .*adlfs"),
    ],
)
def test_what_is_not_installed_is_named(settings: dict[str, str], says: str) -> None:
    refuse_missing_drivers(JobConfig(**REMOTE))
    refuse_missing_drivers(JobConfig())
    with pytest.raises(ValueError, match=says):
        refuse_missing_drivers(replace(JobConfig(**REMOTE), **settings))
