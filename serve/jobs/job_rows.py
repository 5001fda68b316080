"""Read and write the rows of jobs and scenes, within the caller's transaction."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select

from ..state.job_tables import jobs, scenes
from .states import JobState, NewScene, SceneState
from .stored_bytes import ROW_BYTES

LATELY_S = 300.0
REPORTED_COLUMNS = ("number", "status", "error", "picture", "format", "repaints", "changed")


def scene_row(job_id: str, number: int, scene: NewScene) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "number": number,
        "status": "queued",
        "job": scene.job,
        "deadline_s": scene.deadline_s,
        "not_before": 0.0,
        "attempts": 0,
        "losses": 0,
        "words_bytes": ROW_BYTES + len(scene.job.encode()),
        "picture_bytes": scene.picture_bytes,
    }


def this_job(owner: str | None, job_id: str) -> ColumnElement[bool]:
    this: ColumnElement[bool] = jobs.c.id == job_id
    return this if owner is None else and_(this, jobs.c.owner == owner)


def submitted_with(token_id: str) -> Select[tuple[str]]:
    """Select the ids of the jobs that were submitted with a token."""
    return select(jobs.c.id).where(jobs.c.token_id == token_id)


def open_scenes(owner: str) -> ColumnElement[bool]:
    return and_(jobs.c.owner == owner, scenes.c.status.in_(("queued", "running")))


def worked_off_in_s(connection: Connection, owner: str, count: int, now: float) -> float | None:
    """Return the seconds for `count` of the owner's scenes at the recent rate; None if none ended lately."""
    since = now - LATELY_S
    done = select(func.count()).select_from(scenes.join(jobs))
    lately = connection.execute(done.where(jobs.c.owner == owner, scenes.c.ended_at > since)).scalar_one()
    return count * LATELY_S / lately if lately else None


def scenes_ahead(connection: Connection, owner: str, created_at: float) -> int:
    """Count the open scenes of the owner's earlier jobs.

    They come first, since each owner's oldest job does (serve/jobs/leases.py).
    """
    earlier = select(func.count()).select_from(scenes.join(jobs))
    return connection.execute(earlier.where(open_scenes(owner), jobs.c.created_at < created_at)).scalar_one()


def scene_counts(connection: Connection, job_ids: Sequence[str]) -> dict[str, Counter[str]]:
    counted: dict[str, Counter[str]] = {job_id: Counter() for job_id in job_ids}
    grouped = (
        select(scenes.c.job_id, scenes.c.status, func.count().label("n"))
        .where(scenes.c.job_id.in_(job_ids))
        .group_by(scenes.c.job_id, scenes.c.status)
    )
    for row in connection.execute(grouped):
        counted[row.job_id][row.status] = row.n
    return counted


def job_state(
    row: Row[Any], counts: Counter[str], states: tuple[SceneState, ...] = (), ahead: int = 0
) -> JobState:
    cancelled = row.cancelled_at is not None
    held = row.held_at is not None and not cancelled and bool(counts["queued"] or counts["running"])
    return JobState(
        row.id, row.created_at, row.total, cancelled, dict(counts), states, ahead, row.owner, held
    )


def scene_state(row: Row[Any]) -> SceneState:
    found = {name: getattr(row, name) for name in REPORTED_COLUMNS}
    return SceneState(**found | {"error": from_json(row.error)})


def from_json(text: str | None) -> Any:
    return None if text is None else json.loads(text)
