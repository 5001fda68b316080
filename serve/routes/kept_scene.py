"""Respond with the kept picture of a job's scene, which may be a story's page."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from deployments.imaging.files.picture_encoding import media_type
from deployments.messages import PictureFormat

from ..api.responses import wants_json
from ..http.conditional import has_tag
from ..http.held_bytes import hold_response
from ..jobs.states import SceneState

Find = Callable[[int, bool, Callable[[str], None]], Awaitable[tuple[SceneState, bytes, PictureFormat | None]]]


def number_of(index: str) -> int:
    """Read a scene's number from a path; return -1 for anything else."""
    return int(index) if re.fullmatch("[0-9]{1,4}", index) else -1


async def kept_scene(request: Request, index: str, find: Find, may_change: bool = False) -> Response:
    """Return the picture, or JSON if `Accept` names it first and the scene has layers.

    With `may_change`, the address may have another picture later, so a cache must revalidate each time.
    """

    def on_damage(outcome: str) -> None:
        request.state.damaged_picture = outcome  # HttpMetrics counts it.

    scene, data, kind = await find(number_of(index), wants_json(request), on_damage)
    hold_response(request.scope, len(data))
    tag = scene.picture if kind else f"{scene.picture}-json"
    cached = "private, no-cache" if may_change else "private, immutable"
    own = {"ETag": f'"{tag}"', "Cache-Control": cached, "Vary": "Accept"}
    if may_change and has_tag(request, own["ETag"]):
        return Response(status_code=304, headers=own)
    return Response(
        data, media_type=media_type(kind) if kind else "application/json", headers=scene.headers | own
    )
