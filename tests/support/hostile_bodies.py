"""Bodies that are no scene, each with the error that it gets."""

from __future__ import annotations

from typing import Any

from tests.support.scene_requests import SCENE, SMALL

BLACK = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAADUlEQVR4nGNgGAXIAAABEAABoJMRpQAAAABJRU5ErkJggg=="
"""A picture of 16 x 16 pixels."""
START: dict[str, Any] = {"image": {"b64_json": BLACK}, "mask": {"b64_json": BLACK}, "strength": 0.5}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/scenes": SCENE | {"seed": 1, "fallback": "none", "output": {"format": "png"}},
    "/v1/characters": SMALL | {"cutout": False, "negative_prompt": "x"},
    "/v1/backgrounds": SMALL | {"guidance_scale": 2.0, "enhance_prompt": False} | START,
    "/v1/images/generations": {
        "model": "scene",
        "prompt": "a | b",
        "num_inference_steps": 1,
        "size": "128x64",
    },
    "/v1/jobs": {"scenes": [SCENE]},
}
