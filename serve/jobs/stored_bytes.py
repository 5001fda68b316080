"""Budget what the jobs of a tenant keep on the disk: rows, words and pictures.

A scene counts its words from when it is submitted, and its picture by what is expected until it is there. One
that is cancelled keeps a row as its receipt, and nothing of its request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from ..state.tables import jobs, scenes

ROW_BYTES = 1_000
"""The bytes of a scene in the database beside its words, with indexes and a job of its own; measured 700."""
CANCELLED: dict[str, Any] = {
    "status": "cancelled",
    "lease": None,
    "lease_until": None,
    "job": "",
    "words_bytes": ROW_BYTES,
    "picture_bytes": 0,
}
"""The values of a scene that is cancelled."""


def cancel_scenes(connection: Connection, job_id: str, now: float) -> int:
    """Cancel whatever of a job has not ended. Return how many scenes.

    They are deleted and added again: rows that shrink where they are leave SQLite's pages nearly empty, 4 kB
    a scene.
    """
    waiting = scenes.c.job_id == job_id, scenes.c.status.in_(("queued", "running"))
    kept = [column for column in scenes.c if column.name not in CANCELLED]
    gone = connection.execute(delete(scenes).where(*waiting).returning(*kept)).mappings().all()
    if gone:
        connection.execute(insert(scenes), [{**row, **CANCELLED, "ended_at": now} for row in gone])
    return len(gone)


class StorageFull(Exception):
    """The message says whose storage, and what makes room."""


@dataclass(frozen=True)
class StorageBudget:
    """The budget of one tenant, and what the disk has left; None where it is not this machine's.

    `left_bytes` is what is free beyond what has to stay free.
    """

    max_bytes: int
    max_scenes: int
    left_bytes: int | None = None

    def check(self, connection: Connection, owner: str, new_scenes: int, new_bytes: int) -> None:
        """Raise StorageFull where a job does not fit beside what is kept already."""
        kept_scenes, kept_bytes = stored(connection, owner)
        if kept_scenes + new_scenes > self.max_scenes:
            raise StorageFull(f"{self.max_scenes} scenes of jobs may be kept; remove jobs that have ended")
        if kept_bytes + new_bytes > self.max_bytes:
            raise StorageFull(f"{self.max_bytes} bytes of jobs may be kept; remove jobs that have ended")
        if self.left_bytes is None:
            return
        left = self.left_bytes - expected_bytes(connection) - new_bytes
        if left < 0:
            raise StorageFull("the disk of this service is nearly full")
        # Nobody takes more than is left to the others then: one tenant has half of the disk at most.
        if owner and kept_bytes + new_bytes > left:
            raise StorageFull("the disk has less left than your jobs keep; remove jobs that have ended")


def stored(connection: Connection, owner: str) -> tuple[int, int]:
    """Return how many scenes of an owner are kept, and their bytes."""
    held = func.coalesce(func.sum(scenes.c.words_bytes + scenes.c.picture_bytes), 0)
    of_owner = select(func.count(), held).select_from(scenes.join(jobs)).where(jobs.c.owner == owner)
    count, size = connection.execute(of_owner).one()
    return int(count), int(size)


def expected_bytes(connection: Connection) -> int:
    """Return the bytes of all pictures that are still to be painted for jobs."""
    waiting = scenes.c.status.in_(("queued", "running"))
    return int(
        connection.execute(
            select(func.coalesce(func.sum(scenes.c.picture_bytes), 0)).where(waiting)
        ).scalar_one()
    )
