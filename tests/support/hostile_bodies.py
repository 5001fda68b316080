"""Bodies that are no scene, each with the error that it gets."""

from __future__ import annotations

from typing import Any

from tests.support.poses import KEYPOINTS
from tests.support.scene_requests import SCENE, SMALL

BLACK = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAADUlEQVR4nGNgGAXIAAABEAABoJMRpQAAAABJRU5ErkJggg=="
"""A picture of 16 x 16 pixels."""
START: dict[str, Any] = {"image": {"b64_json": BLACK}, "mask": {"b64_json": BLACK}, "strength": 0.5}
GUIDES: dict[str, Any] = {
    "references": [{"b64_json": BLACK}],
    "reference_scale": 0.5,
    "pose": {"keypoints": KEYPOINTS},
    "pose_scale": 1.0,
}
GUIDED: dict[str, Any] = {
    "ip_adapter": {"source": "adapter.safetensors", "image_encoder": "encoder"},
    "pose_controlnet": "controlnet",
}
"""What a model's configuration has, so that it is asked for them."""
BODIES: dict[str, dict[str, Any]] = {
    "/v1/scenes": SCENE | {"seed": 1, "fallback": "none", "output": {"format": "png"}},
    "/v1/characters": SMALL | {"cutout": False, "negative_prompt": "x"} | GUIDES,
    "/v1/backgrounds": SMALL | {"guidance_scale": 2.0, "enhance_prompt": False} | START,
    "/v1/images/generations": {
        "model": "scene",
        "prompt": "a | b",
        "num_inference_steps": 1,
        "size": "128x64",
    },
    "/v1/jobs": {"scenes": [SCENE]},
}
