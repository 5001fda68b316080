"""Request bodies that are not valid scenes, each with the error that it gets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from deployments.diffusion.model.model_config import IpAdapterConfig
from serve.config.service_config import ServiceConfig
from tests.support.lora_files import write_lora
from tests.support.poses import KEYPOINTS
from tests.support.scene_requests import SCENE, SMALL

BLACK = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAAAAAA6mKC9AAAADUlEQVR4nGNgGAXIAAABEAABoJMRpQAAAABJRU5ErkJggg=="
"""A picture of 16 x 16 pixels."""
START: dict[str, Any] = {"image": {"b64_json": BLACK}, "mask": {"b64_json": BLACK}, "strength": 0.5}
FASTER: dict[str, Any] = {"speed": {"cache": 2}}
LORAS: dict[str, Any] = {"loras": [{"name": "ink", "scale": 0.5}]}
GUIDES: dict[str, Any] = LORAS | {
    "references": [{"b64_json": BLACK}],
    "reference_scale": 0.5,
    "pose": {"keypoints": KEYPOINTS},
    "pose_scale": 1.0,
}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/scenes": SCENE
    | {"character": SCENE["character"] | LORAS, "seed": 1, "fallback": "none", "output": {"format": "png"}},
    "/v1/characters": SMALL | {"cutout": False, "negative_prompt": "x"} | GUIDES,
    "/v1/backgrounds": SMALL | {"guidance_scale": 2.0, "enhance_prompt": False} | FASTER | START,
    "/v1/images/generations": {
        "model": "scene",
        "prompt": "a | b",
        "num_inference_steps": 1,
        "size": "128x64",
    },
    "/v1/jobs": {"scenes": [SCENE]},
}


def guided(config: ServiceConfig, folder: Path) -> ServiceConfig:
    """Return the configuration with models that accept references, poses and the LoRA in `folder`.

    It is not validated again, since a configuration file may not give LoRAs to simulated models.
    """
    write_lora(folder, "ink")
    asked: dict[str, Any] = {
        "ip_adapter": IpAdapterConfig("adapter.safetensors", image_encoder="encoder"),
        "pose_controlnet": "controlnet",
        "lora_folder": str(folder),
    }
    layers = {}
    for kind in ("character", "background"):
        settings = config.generators[kind]
        generator = replace(settings.generator, model=replace(settings.generator.model, **asked))
        layers[kind] = settings.model_copy(update={"generator": generator})
    return config.model_copy(update=layers)
