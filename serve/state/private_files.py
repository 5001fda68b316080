"""Files and folders that no other account of the machine reads: modes 0600 and 0700."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER, FILE = 0o700, 0o600
MAKING = threading.Lock()
"""Held until a new file is closed, so that no other thread has locks on it by then."""


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, new ones for this account alone. Raises OSError."""
    for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
        missing.mkdir(FOLDER, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty file for this account alone, or shut the one that is there. Raises OSError.

    A link is followed, also to a file that is yet to be made.

    A file that is there is not opened, since closing it again would end every lock that this process has on
    it: another process could then take away the log that this one writes to (SQLite's "How To Corrupt").
    """
    file = file.resolve()
    with MAKING, suppress(FileExistsError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE))
    shut(file)


def shut(path: Path) -> None:
    """Take from others what they may do with a file or a folder, where it is this account's."""
    with suppress(OSError):
        found = path.lstat()
        mode = FOLDER if stat.S_ISDIR(found.st_mode) else FILE
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o777 != mode:
            path.chmod(mode)


def shut_all(folder: Path) -> None:
    """Shut a folder and all that lies in it. What is not this account's stays as it is."""
    shut(folder)
    for inner, folders, files in os.walk(folder):
        for name in (*folders, *files):
            shut(Path(inner, name))


@contextmanager
def new_ones_shut() -> Iterator[None]:
    """Let all that is made meanwhile be this account's alone, by the processes that are started, too."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)
