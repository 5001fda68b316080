"""Copy a migrated SQLite database for each test, since the migrations take a tenth of a second."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from serve.state import database


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Make an empty database with all migrations applied, and return its file."""
    file = tmp_path_factory.mktemp("migrated") / "empty.sqlite"
    database.open_database(f"sqlite:///{file}").dispose()
    return file.read_bytes()


@pytest.fixture(autouse=True)
def already_migrated(migrated: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make new databases of this process copies of it; opening one still checks for missing migrations."""
    make_file = database.make_file

    def made(file: Path) -> None:
        if not file.exists():
            whole = file.with_name(f"{file.name}-{os.urandom(4).hex()}")
            whole.write_bytes(migrated)
            with suppress(FileExistsError):  # Another thread was first.
                os.link(whole, file)
            whole.unlink()
        make_file(file)

    monkeypatch.setattr(database, "make_file", made)
