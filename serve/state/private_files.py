"""Make files and folders that only this account can read: modes 0600 and 0700."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
MAKING = threading.Lock()
"""Held until a new file is closed, so that no other thread can take locks on it before that."""


def make_folder(folder: Path) -> None:
    """Make a folder and its parents; those that are new are private to this account. Raises OSError."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(FOLDER, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty file that is private to this account, or shut an existing one. Raises OSError.

    A link is followed, even to a file that does not exist yet.

    An existing file is not opened, since closing it would release every lock that this process has on it:
    another process could then delete the log that this one writes to (SQLite's "How To Corrupt").
    """
    file = file.resolve()
    with MAKING, suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    shut(file)


def shut(path: Path) -> None:
    """Remove the permissions of other accounts on a file or folder, if this account owns it."""
    with suppress(OSError):
        found = path.lstat()
        mode = FOLDER if stat.S_ISDIR(found.st_mode) else FILE
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o777 != mode:
            path.chmod(mode)


def shut_all(folder: Path) -> None:
    """Shut a folder and everything in it. Files of other accounts stay unchanged."""
    shut(folder)
    for inner, folders, files in os.walk(folder):
        for name in (*folders, *files):
            shut(Path(inner, name))


@contextmanager
def new_ones_shut() -> Iterator[None]:
    """Make all files created in this block private to this account, including those of child processes."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
