"""Measure the disk space where jobs are kept, and report when there is too little for new ones."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from ..config.job_config import JobConfig

MIB = 1 << 20
FULL = "the disk of this service is full; nothing can be stored until there is free space"


class DiskSpace:
    """The local disks that hold the database and the pictures. Remote stores are not measured."""

    def __init__(self, jobs: JobConfig, state_folder: Path) -> None:
        self._min_free_bytes = jobs.min_free_bytes
        self._folders = _folders_of(jobs, state_folder)

    def free_bytes(self) -> int | None:
        """Return the free bytes of the fuller disk, or None if there is no local one. Raises OSError."""
        found = [shutil.disk_usage(_existing(folder)).free for folder in self._folders]
        return min(found, default=None)

    def left_bytes(self) -> int | None:
        """Return the bytes that may still be used; None if there is no local disk. Raises OSError."""
        free = self.free_bytes()
        return None if free is None else free - self._min_free_bytes

    def shortage(self) -> str | None:
        """Return why new jobs are refused, or None if they are not. Blocks for as long as the disk does."""
        try:
            left = self.left_bytes()
        except OSError:
            return "jobs: the free space of their disk cannot be read"
        if left is None or left >= 0:
            return None
        most = self._min_free_bytes // MIB
        return f"jobs: the disk is nearly full, with less than {most} MiB free: new jobs are refused"


def is_full(error: BaseException) -> bool:
    """Return whether a database or file system failed for lack of space."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    said = str(getattr(error, "orig", ""))
    return isinstance(error, SQLAlchemyError) and ("disk is full" in said or "No space left" in said)


def _folders_of(jobs: JobConfig, state_folder: Path) -> list[Path]:
    folders = []
    database = make_url(jobs.database_url(state_folder))
    if database.get_backend_name() == "sqlite" and database.database:
        folders.append(Path(database.database).parent)
    place = jobs.pictures_place(state_folder).removeprefix("file://")
    if "://" not in place:
        folders.append(Path(place))
    return folders


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent."""
    return next((each for each in (folder, *folder.parents) if each.exists()), folder)
