"""Choose the painter of a model, and say what it can be asked for."""

from __future__ import annotations

from deployments.diffusion.model.families import Task
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.registry import card_of


def uses_denoiser(config: ModelConfig) -> bool:
    """Return whether the denoiser paints this model; else the pipeline painter, which paints any."""
    return config.painter == "denoiser"


def tasks_of(config: ModelConfig) -> tuple[Task, ...]:
    """Return what a configured model can be asked for: the denoiser paints from words alone."""
    return ("text_to_image",) if uses_denoiser(config) else card_of(config).tasks
