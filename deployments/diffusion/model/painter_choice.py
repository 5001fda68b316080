"""Choose the painter of a model."""

from __future__ import annotations

from deployments.diffusion.model.families import STABLE_DIFFUSION_PIPELINES
from deployments.diffusion.model.model_config import ModelConfig
from deployments.diffusion.model.registry import card_of, family_by_name


def uses_denoiser(config: ModelConfig) -> bool:
    """Return whether the denoiser paints this model; else the pipeline painter, which paints any.

    `auto` takes the denoiser where it is known, before the model is loaded, that it can.
    """
    if config.painter != "auto":
        return config.painter == "denoiser"
    card = card_of(config)
    by_family = family_by_name(card.family).pipelines
    return card.pipeline in STABLE_DIFFUSION_PIPELINES or not STABLE_DIFFUSION_PIPELINES.isdisjoint(by_family)
