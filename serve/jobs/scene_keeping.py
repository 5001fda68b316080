"""Keep a painted scene's picture, record why a scene failed, and drop a picture that no scene has."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from deployments.errors import InvalidRequest, ScenewrightError

from ..graph.bill import Used
from ..http.error_responses import Refusal, error_of
from ..pictures import loose_pictures as loose
from ..pictures.picture_files import Pictures, name_of
from ..telemetry.logs import logger
from ..usage.usage_store import Who
from .damaged_pictures import OTHER
from .kept_scenes import kept_file, painted
from .leases import Leases
from .single_layers import Painted
from .states import Claim


def keep_scene(
    claim: Claim,
    scene: Painted,
    missed: list[str],
    leases: Leases,
    pictures: Pictures,
    engine: Engine,
    used: Mapping[Who, Used],
    cost: float,
    written: threading.Event,
) -> None:
    """Keep a scene's picture, and leave none behind if the scene was cancelled meanwhile.

    `written` is set once the picture is kept, together with its usage. `missed` holds entries for `degraded`
    besides those of its layers.

    It all runs in one thread, so that cancelling the task that waits for it cannot interrupt it halfway.
    Raises OSError and SQLAlchemyError.
    """
    print_ = painted(scene)
    degraded = [*missed, *([OTHER] if claim.first_painted not in (None, print_) else [])]
    data = kept_file(scene, f"{claim.job_id}-{claim.number}", degraded)
    name, wire_format = name_of(data), scene.picture.format
    headers = dict(scene.headers)
    if degraded:
        headers["X-Degraded"] = ", ".join([*filter(None, [headers.get("X-Degraded")]), *degraded])
    if not leases.begin_keeping(claim.lease, name):
        return
    kept = False
    try:
        pictures.put(data)
        kept = leases.succeed(
            claim.lease,
            name,
            wire_format,
            headers,
            painted=print_,
            picture_bytes=len(data),
            used=used,
            cost=cost,
        )
    finally:
        if kept:
            written.set()
        else:
            drop_picture(engine, pictures, claim.lease)
    if kept and not pictures.has(name):
        # Another job had the same picture, and its caller removed it in between.
        pictures.put(data)


def fail_scene(claim: Claim, leases: Leases, error: Exception, retry_s: float) -> None:
    """Record why a scene failed. It is tried again after `retry_s`, unless its request is at fault."""
    hopeless = isinstance(error, InvalidRequest | Refusal)
    if not isinstance(error, ScenewrightError | Refusal):
        logger.error("scene %d of job %s failed", claim.number, claim.job_id)
    reported: dict[str, Any] = error_of(error, f"{claim.job_id}-{claim.number}")["error"]
    shown = {name: reported[name] for name in ("code", "message", "param")}
    leases.fail(claim.lease, shown, None if hopeless else retry_s)


def drop_picture(engine: Engine, pictures: Pictures, token: str) -> None:
    """Drop a picture. If it cannot be dropped now, its note stays and it is dropped later."""
    try:
        loose.tidy(engine, token, pictures.drop)
    except (SQLAlchemyError, OSError) as error:
        logger.warning("an unused picture could not be deleted yet: %s", error)
