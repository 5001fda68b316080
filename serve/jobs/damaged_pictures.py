"""Handle damaged kept pictures: paint each again from its scene's own words and seeds, or give it up.

The scene waits for a worker again, as it did at first. The new picture has the same bytes if the model is
`exact` and its weights are unchanged. Otherwise it is kept under its new hash and declared as repainted.
"""

from __future__ import annotations

import json
import secrets
from typing import Literal

from sqlalchemy import Engine, and_, func, select, update

from deployments.errors import NotReady

from ..http.error_responses import Refusal
from ..pictures import loose_pictures as loose
from ..state.database import now_of
from ..state.job_tables import scenes
from .scene_jobs import can_be_painted
from .states import ENDED, SceneState

Outcome = Literal["repainted", "gone"]
OTHER = "picture: repainted"
"""The entry in `degraded` for a picture that was painted again and came out different."""
WAIT_S = 5.0


def paint_again(
    engine: Engine, job_id: str, seen: SceneState, how: str, most: int, now: float | None = None
) -> Outcome | None:
    """Requeue a scene whose picture is damaged, at most `most` times, or give it up.

    This is one transaction. Returns None if the scene is no longer as it was `seen`: another reader was
    first, or its job was removed. `how` describes what was found. Raises SQLAlchemyError.
    """
    same = and_(
        scenes.c.job_id == job_id,
        scenes.c.number == seen.number,
        scenes.c.status.in_(ENDED),  # A page that could not be repainted has its old picture.
        scenes.c.picture == seen.picture,
        scenes.c.repaints == seen.repaints,
    )
    with engine.begin() as connection:
        kept = connection.execute(
            select(scenes.c.job, scenes.c.picture).where(same).with_for_update()
        ).first()
        if kept is None:
            return None
        # Another scene may have the same picture, so it is only noted as loose, like any other.
        loose.leave(connection, secrets.token_hex(16), kept.picture)
        why = None
        if seen.repaints >= most:
            why = f"it has already been painted again {most} times"
        elif not can_be_painted(kept.job):
            why = "the request that it was painted from is no longer kept"
        if why is None:
            changes = {
                "status": "queued",
                "not_before": 0.0,
                "attempts": 0,
                "losses": 0,
                "ended_at": None,
                "error": None,
                "repaints": scenes.c.repaints + 1,
                "first_painted": func.coalesce(scenes.c.first_painted, scenes.c.picture),
            }
        else:
            message = f"the kept picture was found {how}, and cannot be painted again: {why}"
            error = {"code": "gone", "message": message, "param": None}
            changes = {"status": "failed", "error": json.dumps(error), "ended_at": now_of(connection, now)}
            changes["picture_bytes"] = 0
        connection.execute(update(scenes).where(same).values(picture=None, **changes))
        return "repainted" if why is None else "gone"


def refuse(scene: SceneState | None) -> None:
    """Refuse a scene that has lost its picture. Raises NotReady, or Refusal 410 if the picture is gone."""
    if scene is None or scene.picture is not None or not scene.was_kept:
        return
    if scene.status in ("queued", "running"):
        raise NotReady("the kept picture was damaged; it is being painted again", retry_after_s=WAIT_S)
    error = scene.error or {"code": "cancelled", "message": "its job was cancelled meanwhile"}
    message = str(error["message"])
    if error["code"] != "gone":
        message = f"the kept picture was damaged, and could not be painted again: {message}"
    raise Refusal(410, "gone", message)
