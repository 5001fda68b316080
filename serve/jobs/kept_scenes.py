"""What is kept of a job's scene: its picture, or its whole answer where its layers were asked for.

Both are one file. An answer is JSON, which begins with a brace; no picture does.
"""

from __future__ import annotations

import base64
import json

from ..answers import scene_body
from ..scene import SceneResult

BRACE = b"{"


def kept_file(scene: SceneResult, request_id: str) -> bytes:
    """Return the bytes to keep of a scene."""
    if not scene.merged.layers:
        return scene.merged.picture.data
    return json.dumps(scene_body(request_id, scene)).encode()


def picture_in(kept: bytes) -> bytes:
    """Return the picture of a kept file."""
    if not kept.startswith(BRACE):
        return kept
    return base64.b64decode(json.loads(kept)["image"]["b64_json"])


def answer_in(kept: bytes) -> bytes | None:
    """Return the JSON of a kept file, or None where only the picture was kept."""
    return kept if kept.startswith(BRACE) else None
