"""Paint with diffusers' own pipelines, for comparison with the painters' pictures."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

import deployments.diffusion.model.patch_autoencoder  # noqa: F401 (a part of the bundled models)
from deployments.diffusion.painter import PaintRequest


@cache
def stock_of(folder: Path) -> Any:
    """Load a pipeline as diffusers does, in the memory format that the painters use."""
    pipeline: Any = DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    for convolutional in (pipeline.unet, pipeline.vae):
        convolutional.to(memory_format=torch.channels_last)
    return pipeline


@cache
def solver_of(folder: Path, name: str = "") -> Any:
    """Return the scheduler of the class `name` with the model's settings, by default the model's own."""
    own = stock_of(folder).scheduler
    return getattr(diffusers, name).from_config(own.config) if name else own


@cache
def stock(folder: Path, request: PaintRequest, solver: str = "", output_type: str = "np") -> Any:
    """Return the picture that diffusers paints, called as its documentation does, as floats in 0..1."""
    pipeline = stock_of(folder)
    before, pipeline.scheduler = pipeline.scheduler, copy.deepcopy(solver_of(folder, solver))
    try:
        return pipeline(
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            width=request.width_px,
            height=request.height_px,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output_type=output_type,
        ).images[0]
    finally:
        pipeline.scheduler = before
