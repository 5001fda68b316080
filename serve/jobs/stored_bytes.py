"""Count what the jobs of a tenant keep on disk: rows, words and pictures.

A scene's words count from its submission on. Its picture counts with its expected size until it exists. A
cancelled scene keeps a row as its receipt, and nothing of its request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert

from ..state.job_tables import scenes
from .token_budgets import give_back_scenes

ROW_BYTES = 1_000
"""The bytes of a scene in the database besides its words, with indexes and a job to itself; measured 700."""
CANCELLED: dict[str, Any] = {
    "status": "cancelled",
    "lease": None,
    "lease_until": None,
    "job": "",
    "words_bytes": ROW_BYTES,
    "picture_bytes": 0,
}
"""The column values of a cancelled scene."""


def cancel_scenes(connection: Connection, job_id: str, now: float) -> int:
    """Cancel all scenes of a job that have not ended, and return how many there were.

    Their rows are deleted and inserted again: rows that shrink in place leave SQLite's pages nearly empty, at
    4 kB a scene.
    """
    give_back_scenes(connection, (scenes.c.job_id == job_id) & (scenes.c.status == "queued"))
    waiting = scenes.c.job_id == job_id, scenes.c.status.in_(("queued", "running"))
    kept = [column for column in scenes.c if column.name == "picture_bytes" or column.name not in CANCELLED]
    gone = connection.execute(delete(scenes).where(*waiting).returning(*kept)).mappings().all()
    if gone:
        connection.execute(insert(scenes), [_cancelled(row, now) for row in gone])
    return len(gone)


def _cancelled(row: Mapping[Any, Any], now: float) -> dict[str, Any]:
    """Return the row of a cancelled scene. A scene that was being repainted keeps its old picture."""
    size = 0 if row["picture"] is None else row["picture_bytes"]
    return {**row, **CANCELLED, "picture_bytes": size, "ended_at": now}
