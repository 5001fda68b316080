"""The kept file of a job's scene: its picture, or its whole answer where its layers were requested.

Both are one file. An answer is JSON, which begins with a brace; no picture does.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence

from .single_layers import Painted

BRACE = b"{"


def kept_file(scene: Painted, request_id: str, degraded: Sequence[str] = ()) -> bytes:
    """Return the bytes to keep of a scene. `degraded`: what is to be declared of it besides its own."""
    if not scene.layers:
        return scene.picture.data
    body = scene.body(request_id)
    body["degraded"] += degraded
    return json.dumps(body).encode()


def painted(scene: Painted) -> str:
    """Return what is equal for scenes with equal pictures; whole answers never are, for the times in them."""
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
    """Return the JSON of a kept file, or None where only the picture was kept."""
    return kept if kept.startswith(BRACE) else None
