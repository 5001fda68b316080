"""Add this service's own limits, defaults and models to the schemas of the wire format."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from deployments.diffusion.model.registry import card_of, describe

from ..api.openai_request import SUBJECTS
from ..api.resolve_layer import latent_factor
from ..api.wire import ALIASES
from ..config.layer_settings import LayerSettings, layer_defaults
from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig

PARTS = {name: name for name in ("character", "background", "merge")} | {
    "characters": "character",
    "frame": "merge",
    "style": "style",
}
"""The fields that hold a layer, the merge or a style, and the kind that each holds."""


def narrow(schema: dict[str, Any], config: ServiceConfig, kind: str | None) -> None:
    """Add the service's own limits to a body's schema. `kind` says which part the object describes."""
    fields = schema.get("properties", {})
    is_layer = "num_inference_steps" in fields
    bounds, defaults = _bounds(config, kind, is_layer), _defaults(config, kind, is_layer)
    for name, field in fields.items():
        if name in defaults:
            field["default"] = defaults[name]
        inside = PARTS.get(name, kind)
        for option in _options(field):
            for inner in _options(option.get("items", option)):
                if inner.get("type") in ("integer", "number", "string") and inner.get("format") != "binary":
                    inner.update(bounds.get(name, {}))
                narrow(inner, config, inside)


def name_models(schema: dict[str, Any], config: ServiceConfig) -> None:
    """Add the names that an OpenAI request may give as `model`."""
    sources = dict.fromkeys(model.generator.model.source for model in config.generators.values())
    served = dict.fromkeys(name for source in sources for name in _public_names(source))
    for option in _options(schema["properties"]["model"]):
        if option.get("type") == "string":
            option["enum"] = [*SUBJECTS, *served]


def _public_names(source: str) -> list[str]:
    """Return a model's public names, without the local path that it may be configured by."""
    card = describe(source)
    return [card.id, *card.aliases]


def _options(field: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "anyOf" not in field:
        yield field
    for option in field.get("anyOf", ()):
        yield from _options(option)


def _bounds(config: ServiceConfig, kind: str | None, is_layer: bool) -> dict[str, dict[str, Any]]:
    limits = config.limits
    if kind == "merge":
        side = {"minimum": limits.min_image_size, "maximum": limits.max_frame_size or limits.max_image_size}
        return {"width": side, "height": side}
    words = {"maxLength": limits.max_prompt_chars}
    if kind == "style":
        return {"prompt": words, "negative_prompt": words}
    if kind == "member":
        return {"description": words, "negative_prompt": words}
    bounds: dict[str, dict[str, Any]] = {
        "character": words,
        "characters": words,
        "background": words,
        "deadline_s": {"exclusiveMinimum": 0, "maximum": limits.max_deadline_s},
    }
    if kind is not None:
        bounds["prompt"] = words  # The OpenAI-compatible endpoint takes two prompts in one.
    if is_layer:
        bounds |= {
            "negative_prompt": words,
            "num_inference_steps": {"minimum": 1, "maximum": limits.max_steps},
            "guidance_scale": {"minimum": 0, "maximum": limits.max_guidance},
        }
        bounds |= {alias: bounds[name] for name, alias in ALIASES.items()}
    if kind == "character":
        return bounds | _of_the_models(config.character, limits, bounds)
    if kind == "background":
        return bounds | _of_the_models(config.background, limits, bounds)
    return bounds


def _defaults(config: ServiceConfig, kind: str | None, is_layer: bool) -> dict[str, Any]:
    """Return the defaults of the fields that a request may leave out, as far as the operator sets them."""
    if kind == "merge":
        merge = config.merge
        return {"mode": merge.mode, "position": merge.position, "width": merge.width, "height": merge.height}
    for layer, settings in config.layers.items():
        if kind == layer and is_layer:
            usual = layer_defaults(layer, settings)
            return {
                "num_inference_steps": usual.num_inference_steps,
                "guidance_scale": usual.guidance_scale,
            }
    return {}


def _of_the_models(
    layer: LayerSettings, limits: Limits, bounds: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return the bounds that hold for every model of a layer, whichever one a request names."""
    models = [model.generator.model for model in layer.by_model.values()]
    factor = math.gcd(*map(latent_factor, layer.by_model.values()))
    side = {
        "minimum": -(-limits.min_image_size // factor) * factor,
        "maximum": limits.max_image_size // factor * factor,
        "multipleOf": factor,
    }
    narrowed: dict[str, dict[str, Any]] = {
        "width": side,
        "height": side,
        "model": {"enum": [name for model in models for name in _public_names(model.source)]},
    }
    families = [card_of(model).family for model in models]
    if "negative_prompt" in bounds and not any(family.takes_negative_prompt for family in families):
        narrowed["negative_prompt"] = {"maxLength": 0}
    if "guidance_scale" in bounds and not any(family.takes_guidance_scale for family in families):
        scales = [family.guidance_scale for family in families]
        only = {"minimum": min(scales), "maximum": max(scales)}
        narrowed |= {"guidance_scale": only, ALIASES["guidance_scale"]: only}
    return narrowed
