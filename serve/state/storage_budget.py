"""Budget what a tenant keeps on disk: the scenes of its jobs, uploaded pictures, and linked results."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from .job_tables import jobs, scenes, stories
from .picture_tables import pictures, results

LOCK_SPACE = 6
"""An arbitrary number that keeps these locks apart from others that are derived from names."""
ROOM = "remove jobs that have ended, or uploaded pictures"


class StorageFull(Exception):
    """The storage is full. The message says whose, and how to make room."""


@dataclass(frozen=True)
class StorageBudget:
    """The budget of one tenant, and what the disk has left.

    `max_scenes` counts the rows of scenes, of uploaded pictures and of linked results. `left_bytes` is the
    free space beyond the minimum that must stay free, or None if the disk is not local.
    """

    max_bytes: int
    max_scenes: int
    left_bytes: int | None = None

    def check(self, connection: Connection, owner: str, new_rows: int, new_bytes: int) -> None:
        """Raise StorageFull if something new does not fit beside what is kept already."""
        kept_rows, kept_bytes = stored(connection, owner)
        if kept_rows + new_rows > self.max_scenes:
            raise StorageFull(f"at most {self.max_scenes} scenes and pictures may be kept in total; {ROOM}")
        if kept_bytes + new_bytes > self.max_bytes:
            raise StorageFull(f"at most {self.max_bytes} bytes of jobs and pictures may be kept; {ROOM}")
        if self.left_bytes is None:
            return
        left = self.left_bytes - expected_bytes(connection) - new_bytes
        if left < 0:
            raise StorageFull("the disk of this service is nearly full")
        # A tenant may not keep more than it leaves to the others, so it has at most half of the disk.
        if owner and kept_bytes + new_bytes > left:
            raise StorageFull(f"the disk has less free space than your jobs already use; {ROOM}")


def lock_storage(connection: Connection, owner: str) -> None:
    """Lock an owner's storage until the transaction ends, so that nobody else counts it."""
    lock_owner(connection, owner, LOCK_SPACE)


def lock_owner(connection: Connection, owner: str, space: int) -> None:
    """Take an owner's lock of this `space` until the transaction ends. SQLite has a single writer anyway."""
    if connection.dialect.name == "postgresql":
        lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:owner, :space))")
        connection.execute(lock, {"owner": owner, "space": space})


def stored(connection: Connection, owner: str) -> tuple[int, int]:
    """Return how many scenes, uploaded pictures and results of an owner are kept, and their bytes."""
    held = func.coalesce(func.sum(scenes.c.words_bytes + scenes.c.picture_bytes), 0)
    of_jobs = select(func.count(), held).select_from(scenes.join(jobs)).where(jobs.c.owner == owner)
    count, size = connection.execute(of_jobs).one()
    for table in (pictures, results):
        kept = select(func.count(), func.coalesce(func.sum(table.c.bytes), 0)).where(table.c.owner == owner)
        more, more_bytes = connection.execute(kept).one()
        count, size = count + more, size + more_bytes
    words = select(func.coalesce(func.sum(stories.c.bytes), 0)).where(stories.c.owner == owner)
    return int(count), int(size + connection.execute(words).scalar_one())


def expected_bytes(connection: Connection) -> int:
    """Return the expected bytes of all pictures that are still to be painted for jobs."""
    waiting = scenes.c.status.in_(("queued", "running"))
    return int(
        connection.execute(
            select(func.coalesce(func.sum(scenes.c.picture_bytes), 0)).where(waiting)
        ).scalar_one()
    )
