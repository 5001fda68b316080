"""Write, read and drop the files of kept pictures. Each has a note in the database while it has no row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ..config.service_config import ServiceConfig
from ..http.error_responses import Refusal
from ..state.disk_space import DiskSpace
from ..state.open_state import open_state
from ..state.storage_budget import StorageBudget, StorageFull
from . import loose_pictures as loose
from .in_thread import ROOM_S
from .picture_files import Damaged, Pictures, open_pictures

Row = TypeVar("Row")


class KeptFiles:
    """The files of kept pictures. They and the database are opened at the first use. Every method blocks."""

    def __init__(self, config: ServiceConfig) -> None:
        self._config = config

    @cached_property
    def engine(self) -> Engine:
        return open_state(self._config.state_folder, self._config.jobs)

    @cached_property
    def _files(self) -> Pictures:
        return open_pictures(self._config.jobs.pictures_place(self._config.state_folder))

    @cached_property
    def _disk(self) -> DiskSpace:
        return DiskSpace(self._config.jobs, self._config.state_folder)

    def budget(self) -> StorageBudget:
        """Return the storage budget of one tenant."""
        jobs = self._config.jobs
        return StorageBudget(jobs.max_stored_bytes, jobs.max_stored_scenes, self._disk.left_bytes())

    def put(self, data: bytes, begin: Callable[[], str], keep: Callable[[str], Row]) -> Row:
        """Note a file with `begin`, write it, and return the row that `keep` makes from the note's token.

        If one of these fails, no file is left behind.
        """
        files = self._files  # If no file can be kept, none is noted.
        token = begin()
        try:
            files.put(data)
            return keep(token)
        except BaseException:
            self.drop(token)
            raise

    def intact(self, name: str) -> bytes | Damaged:
        """Return a file, or how it is damaged."""
        try:
            return self._files.get(name)
        except Damaged:
            pass  # Try again: not every fsspec store writes a file atomically.
        try:
            return self._files.get(name)
        except Damaged as damage:
            return damage

    def drop(self, token: str) -> None:
        """Drop a file that has no owner. If that fails now, its note stays and a worker finds it."""
        with suppress(SQLAlchemyError, OSError):
            loose.tidy(self.engine, token, self._files.drop)


@contextmanager
def full_in_words() -> Iterator[None]:
    """Raise StorageFull as Refusal 507."""
    try:
        yield
    except StorageFull as full:
        raise Refusal(507, "insufficient_storage", str(full), retry_after_s=ROOM_S) from None
