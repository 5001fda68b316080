"""Paint for every peer in the same way: stock diffusers and the plain paste. Only the serving differs."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import diffusers
import torch
from PIL import Image, ImageEnhance

import deployments.diffusion.model.patch_autoencoder  # noqa: F401 (a part of the bundled models)

MODELS = Path(__file__).parents[3] / "models"
PROMPTS = {
    "character": "{}, full body, plain light gray studio background",
    "background": "beautiful detailed {}, cinematic lighting",
}
SIZES = {"character": (384, 512), "background": (512, 384)}
STEPS = {"character": 25, "background": 20}
GUIDANCE = {"character": 7.5, "background": 6.0}


def load(kind: str) -> Any:
    """Load the bundled model of a layer, on the GPU if there is one."""
    torch.set_num_threads(1)
    diffusers.utils.logging.set_verbosity_error()
    diffusers.utils.logging.disable_progress_bar()
    pipeline = diffusers.DiffusionPipeline.from_pretrained(MODELS / f"storybook-{kind}")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")


def paint(pipeline: Any, kind: str, scene: dict[str, Any]) -> Image.Image:
    """Paint a layer of a `POST /v1/scenes` body: a string, or an object with a prompt and perhaps steps."""
    arguments = scene[kind]
    layer: dict[str, Any] = {"prompt": arguments} if isinstance(arguments, str) else arguments
    width, height = SIZES[kind]
    seed = layer.get("seed", scene.get("seed", 0))
    return pipeline(
        prompt=PROMPTS[kind].format(layer["prompt"]),
        num_inference_steps=layer.get("num_inference_steps", STEPS[kind]),
        guidance_scale=GUIDANCE[kind],
        width=layer.get("width", width),
        height=layer.get("height", height),
        generator=torch.Generator().manual_seed(seed),
    ).images[0]


def merge(character: Image.Image, background: Image.Image, scene: dict[str, Any]) -> bytes:
    """Merge into a JPEG frame: the character covers its right half."""
    sides = scene.get("merge", {})
    width, height = sides.get("width", 1024), sides.get("height", 512)
    frame = background.resize((width, height), Image.Resampling.LANCZOS)
    figure = character.convert("RGBA").resize((width // 2, height), Image.Resampling.LANCZOS)
    frame.paste(figure, (width // 2, 0), figure)
    encoded = BytesIO()
    ImageEnhance.Contrast(frame).enhance(1.1).save(encoded, "JPEG", quality=95, optimize=True)
    return encoded.getvalue()
