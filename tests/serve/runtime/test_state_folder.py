"""The start reports where jobs, pictures and keys are kept, and warns of a second service on the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serve.config.service_config import ServiceConfig
from serve.runtime.state_folder import described, in_use


def kept(folder: Path, **jobs: Any) -> ServiceConfig:
    return ServiceConfig.model_validate({"state_dir": str(folder), "jobs": jobs})


@pytest.mark.parametrize(
    ("jobs", "line"),
    [
        ({}, "keeping jobs, their pictures and keys in /s"),
        (
            {"database": "postgresql+psycopg://me:secret@db/jobs"},
            "keeping their pictures and keys in /s; jobs in postgresql+psycopg://me:***@db/jobs",
        ),
        (
            {"database": "sqlite:////d/j.sqlite", "pictures": "s3://bucket/p"},
            "keeping keys in /s; jobs in sqlite:////d/j.sqlite; their pictures in s3://bucket/p",
        ),
    ],
)
def test_the_line_names_every_place_and_no_password(jobs: dict[str, str], line: str) -> None:
    assert described(kept(Path("/s"), **jobs)) == line


def test_a_second_service_on_the_folder_names_the_first(tmp_path: Path) -> None:
    said: list[str] = []
    folder = tmp_path / "state"
    with in_use(kept(folder), "http://127.0.0.1:8000", said.append):
        assert said == []
        with in_use(kept(folder), "http://127.0.0.1:8001", said.append):
            (note,) = said
            assert note.startswith("note: the service at http://127.0.0.1:8000 (process ")
            assert "both share jobs, pictures and keys" in note
            assert "SCENEWRIGHT_STATE_DIR" in note
        with in_use(kept(tmp_path / "other"), "http://127.0.0.1:8002", said.append):
            assert len(said) == 1
    with in_use(kept(folder), "http://127.0.0.1:8003", said.append):
        assert len(said) == 1, "the first service has ended"


def test_a_folder_that_cannot_be_written_stops_nobody_here(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with in_use(kept(tmp_path / "file" / "state"), "http://127.0.0.1:8000", print):
        pass
