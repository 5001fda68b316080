"""Count each owner's waiting and running scenes: one database query for any number of callers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from ..state.database import reading
from ..state.job_tables import jobs, scenes

UNDER_WAY = ("queued", "running")


@dataclass(frozen=True)
class OpenJob:
    """A job that has not ended, with its counts of queued and running scenes. states.py explains `held`."""

    owner: str
    created_at: float
    queued: int = 0
    running: int = 0
    held: bool = False


def open_jobs(engine: Engine, owners: Collection[str]) -> dict[str, OpenJob]:
    """Return the jobs of these owners that have not ended, by id. Raises SQLAlchemyError.

    The scenes are counted in the index `scenes_by_status` alone, before their jobs are looked up.
    """
    counted = (
        select(scenes.c.job_id, scenes.c.status, func.count().label("n"))
        .where(scenes.c.status.in_(UNDER_WAY))
        .group_by(scenes.c.status, scenes.c.job_id)
        .subquery()
    )
    question = (
        select(
            counted.c.job_id, counted.c.status, counted.c.n, jobs.c.owner, jobs.c.created_at, jobs.c.held_at
        )
        .join(jobs, jobs.c.id == counted.c.job_id)
        .where(jobs.c.owner.in_(owners))
    )
    found: dict[str, OpenJob] = {}
    with reading(engine) as connection:
        for row in connection.execute(question):
            known = found.get(row.job_id)
            queued, running = (known.queued, known.running) if known else (0, 0)
            found[row.job_id] = OpenJob(
                row.owner,
                row.created_at,
                row.n if row.status == "queued" else queued,
                row.n if row.status == "running" else running,
                row.held_at is not None,
            )
    return found
