from __future__ import annotations

import logging
from collections.abc import Iterator
from logging.handlers import MemoryHandler
from pathlib import Path

import pytest

from deployments import log_file
from deployments.log_file import log_through, see_log


@pytest.fixture
def serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """Set up Serve's logger as Ray Serve does in a replica, and ours as in a new process."""
    monkeypatch.setattr(log_file, "OURS", logging.Logger("deployments"))
    logger = logging.Logger("ray.serve", logging.INFO)
    written = logging.FileHandler(tmp_path / "replica.log", delay=True)
    logger.addHandler(MemoryHandler(1, target=written))
    yield logger
    for handler in logger.handlers:
        handler.close()
    written.close()


def test_where_nothing_is_written_no_file_is_named(serves: logging.Logger) -> None:
    assert see_log() == "see the replica's log"


def test_a_replica_names_the_file_that_has_its_records(serves: logging.Logger, tmp_path: Path) -> None:
    log_through(serves)
    log_through(serves)
    path = tmp_path / "replica.log"
    assert see_log() == f"see the replica's log: {path}"
    log_file.OURS.info("the cause")
    log_file.OURS.debug("a detail")
    assert path.read_text() == "the cause\n"


def test_a_file_of_the_root_is_found_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = logging.Logger("root")
    root.addHandler(logging.FileHandler(tmp_path / "all.log", delay=True))
    ours = logging.Logger("deployments")
    ours.parent = root
    monkeypatch.setattr(log_file, "OURS", ours)
    assert see_log() == f"see the replica's log: {tmp_path / 'all.log'}"
