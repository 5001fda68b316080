"""Find the family of a model, by its files, by the class of its pipeline or by its name.

A family follows from diffusers' pipeline class and the configuration of the denoiser. No torch is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployments.diffusion.model.family import Family
from deployments.diffusion.model.transformer_families import TRANSFORMER_FAMILIES
from deployments.diffusion.model.unet_families import UNET_FAMILIES, UNKNOWN

FAMILIES = UNET_FAMILIES + TRANSFORMER_FAMILIES
STABLE_DIFFUSION_PIPELINES = frozenset({"StableDiffusionPipeline", "StableDiffusionXLPipeline"})
PIPELINES = frozenset(pipeline for family in FAMILIES for pipeline in family.pipelines)
"""The classes of diffusers that are served."""


def detect(index: Mapping[str, Any], denoiser: Mapping[str, Any], name: str = "") -> Family | None:
    """Return the family of a model by its model_index.json, its denoiser's config.json and its name."""

    def fits(family: Family) -> bool:
        return (
            index.get("_class_name") in family.pipelines
            and all(index.get(key) == value for key, value in family.index.items())
            and all(denoiser.get(key) == value for key, value in family.config.items())
            and family.named in name.lower()
        )

    found = next(filter(fits, FAMILIES), None)
    return None if found is None else as_distilled(found, denoiser)


def as_distilled(family: Family, denoiser: Mapping[str, Any]) -> Family:
    """Return the family, or its distilled variant if the configuration of a model's denoiser says so."""
    return family if denoiser.get("time_cond_proj_dim") is None else family.distilled()


def family_of(pipeline: str) -> Family:
    """Return the first family of this pipeline class. All of them have the same classes and parts."""
    return next((family for family in FAMILIES if pipeline in family.pipelines), UNKNOWN)


def family_of_pipeline(pipeline: Any) -> Family:
    """Return the family of a loaded pipeline, by its class and its configuration."""
    kind = type(pipeline).__name__
    denoiser = getattr(pipeline, family_of(kind).denoiser, None)
    index = {**getattr(pipeline, "config", {}), "_class_name": kind}
    return detect(index, getattr(denoiser, "config", {})) or family_of(kind)


def family_named(name: str) -> Family:
    """Return the family of this name. Raises ValueError, listing the known names."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ValueError(
        f"unknown family {name!r}: it must be one of {', '.join(each.name for each in FAMILIES)}"
    )
