"""Write and read the kept file of a job's scene: its picture, or its whole response if it has layers.

Either way there is one file. A response is JSON, which begins with a brace; no picture does.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence

from deployments.errors import NotReady
from deployments.messages import PictureFormat

from ..http.error_responses import Refusal
from ..pictures.holds import holds
from ..pictures.picture_files import Damaged, Pictures
from ..pictures.picture_service import PICTURE_ID
from ..telemetry.logs import logger
from .damaged_pictures import WAIT_S, Outcome, paint_again, refuse
from .job_ids import check_job_id
from .job_store import JobStore
from .single_layers import Painted
from .states import SceneState

BRACE = b"{"
NO_SCENE = "this job has no such scene, or the scene has no picture"
OnDamage = Callable[[Outcome], None]
"""Called by the first reader that finds a kept picture damaged, with the outcome."""


def kept_file(scene: Painted, request_id: str, degraded: Sequence[str] = ()) -> bytes:
    """Return the bytes to keep for a scene. `degraded` holds entries to add to the scene's own."""
    if not scene.layers:
        return scene.picture.data
    body = scene.body(request_id)
    body["degraded"] += degraded
    return json.dumps(body).encode()


def painted(scene: Painted) -> str:
    """Return a hash that is equal for equal pictures. Whole responses never are: they contain timings."""
    if not scene.layers:
        return hashlib.sha256(scene.picture.data).hexdigest()
    digest = hashlib.sha256()
    for _, picture in sorted({**scene.layers, "": scene.picture}.items()):
        digest.update(hashlib.sha256(picture.data).digest())
    return digest.hexdigest()


def picture_in(kept: bytes) -> bytes:
    """Return the picture of a kept file."""
    if not kept.startswith(BRACE):
        return kept
    return base64.b64decode(json.loads(kept)["image"]["b64_json"])


def response_in(kept: bytes) -> bytes | None:
    """Return the JSON of a kept file, or None if only the picture was kept."""
    return kept if kept.startswith(BRACE) else None


def ignore(outcome: Outcome) -> None:
    """Take no further action on a damaged picture."""


class KeptScenes:
    """Read the kept pictures of scenes. All methods block. `max_repaints` limits repaints of a picture."""

    def __init__(self, store: JobStore, pictures: Pictures, max_repaints: int) -> None:
        self._store = store
        self._pictures = pictures
        self._max_repaints = max_repaints

    def read(
        self, owner: str, job_id: str, number: int, whole: bool, on_damage: OnDamage = ignore
    ) -> tuple[SceneState, bytes, PictureFormat | None]:
        """Return a scene with its picture and format.

        If `whole`, return its response as JSON instead, and None as the format, if the response was kept.

        Raises Refusal 404 if there is no picture, or none yet. If the picture is damaged, raises NotReady
        while it is painted again, or Refusal 410 if it cannot be.
        """
        check_job_id(job_id)
        scene = self._store.scene(owner, job_id, number)
        refuse(scene)
        if scene is None or scene.picture is None:
            raise Refusal(404, "not_found", NO_SCENE)
        kept = self._intact(owner, job_id, scene, scene.picture, on_damage)
        response = response_in(kept) if whole else None
        return (scene, response, None) if response else (scene, picture_in(kept), scene.format)

    def input_file(self, holder: str, owner: str, picture_id: str) -> bytes:
        """Return a picture that `holder` holds. Raises Refusal 410.

        All tenants' files are in one store, so an id alone gives no access.
        """
        found = PICTURE_ID.fullmatch(picture_id)
        if found is None or not holds(self._store.engine, holder, owner, found[1]):
            raise Refusal(410, "gone", "an input picture is no longer kept: upload it again")
        try:
            return self._pictures.get(found[1])
        except Damaged as damage:
            message = f"an input picture was found {damage.how}: upload it again"
            raise Refusal(410, "gone", message) from None

    def _intact(self, owner: str, job_id: str, scene: SceneState, picture: str, on_damage: OnDamage) -> bytes:
        for last in (False, True):  # Twice: not every fsspec store writes a file atomically.
            try:
                return self._pictures.get(picture)
            except Damaged as damage:
                if last:
                    outcome = paint_again(self._store.engine, job_id, scene, damage.how, self._max_repaints)
                    if outcome is not None:
                        logger.warning("scene %d of job %s: %s; %s", scene.number, job_id, damage, outcome)
                        on_damage(outcome)
        refuse(self._store.scene(owner, job_id, scene.number))
        raise NotReady("the kept picture is being replaced", retry_after_s=WAIT_S)
