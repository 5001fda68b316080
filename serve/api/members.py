"""Resolve the members of the cast that a request's layers name, before its pictures are read.

Only fields of the wire format are filled in, so the result is a request that a caller could have sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from deployments.diffusion.model.painter_choice import tasks_of
from deployments.diffusion.model.registry import card_of
from deployments.errors import InvalidRequest
from deployments.messages import LayerKind

from ..config.layer_settings import find_model
from ..config.service_config import ServiceConfig
from .cast_request import CastBody
from .layer_schema import CastUse, CharacterRequest, Layer, LayerRequest, LoraInput, PictureInput
from .openai_generations import ImagesRequest
from .scene_schema import SceneRequest

Requested = TypeVar("Requested", SceneRequest, LayerRequest, CharacterRequest, ImagesRequest)
AnyLayer = TypeVar("AnyLayer", bound=Layer)
NO_MEMBER = "there is no such member of the cast"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A member of the cast. `version` is 0 for a member that is defined inline and not kept."""

    name: str
    version: int = 0
    description: str = ""
    references: tuple[PictureInput, ...] = ()
    loras: tuple[LoraInput, ...] = ()
    seed: int | None = None
    negative_prompt: str | None = None


def member_of(name: str, body: CastBody, version: int = 0) -> Member:
    """Return the member that a body on the wire describes."""
    return Member(
        name=name,
        version=version,
        description=body.description,
        references=tuple(body.references),
        loras=tuple(body.loras),
        seed=body.seed,
        negative_prompt=body.negative_prompt,
    )


def cast_names(requested: Requested, prefix: str = "") -> dict[str, str]:
    """Return the cast members that a request's layers name, keyed by parameter path."""
    named = _layers(requested, prefix)
    return {f"{path}cast": layer.cast for path, (_, layer) in named.items() if layer.cast is not None}


def with_members(
    requested: Requested, members: Mapping[str, Member], config: ServiceConfig, prefix: str = ""
) -> Requested:
    """Return the request with the members of the cast in their layers.

    Raises InvalidRequest with the parameter's path for a name that is not among `members`, and if the prompt
    and the member's description are too long together.
    """
    model = requested.model_of_layers(config) if isinstance(requested, ImagesRequest) else None
    resolved: dict[str, Layer] = {}
    for path, (kind, layer) in _layers(requested, prefix).items():
        if layer.cast is None or layer.use is not None:
            continue
        if layer.cast not in members:
            raise InvalidRequest(f"{path}cast: {NO_MEMBER}: {layer.cast}", f"{path}cast")
        resolved[path] = _resolved(layer, members[layer.cast], kind, config, path, model)
    if not resolved:
        return requested
    if isinstance(requested, Layer):
        return resolved[prefix]  # type: ignore[return-value]  # the same class as it had
    changes: dict[str, Any] = {}
    for name in ("character", "background"):
        if f"{prefix}{name}." in resolved:
            changes[name] = resolved[f"{prefix}{name}."]
    if requested.characters is not None:
        figures = enumerate(requested.characters)
        changes["characters"] = [resolved.get(f"{prefix}characters.{n}.", each) for n, each in figures]
    return requested.model_copy(update=changes)


def _layers(requested: Requested, prefix: str) -> dict[str, tuple[LayerKind, Layer]]:
    """Return a request's layers, keyed by the prefix of their parameters' paths."""
    if isinstance(requested, Layer):
        alone: LayerKind = "character" if isinstance(requested, CharacterRequest) else "background"
        return {prefix: (alone, requested)}
    layers: dict[str, tuple[LayerKind, Layer]] = {}
    if requested.character is not None:
        layers[f"{prefix}character."] = ("character", requested.character)
    for index, figure in enumerate(requested.characters or ()):
        layers[f"{prefix}characters.{index}."] = ("character", figure)
    if isinstance(requested.background, Layer):
        layers[f"{prefix}background."] = ("background", requested.background)
    return layers


def _resolved(
    layer: AnyLayer,
    member: Member,
    kind: LayerKind,
    config: ServiceConfig,
    path: str,
    model: str | None,
) -> AnyLayer:
    """Return a layer that paints a member. A model that is not served is refused later, in `layer_job`."""
    prompt = ", ".join(words for words in (member.description.strip(" ,"), layer.prompt) if words)
    most = config.limits.max_prompt_chars
    if len(prompt) > most:
        message = f"{path}prompt and the description of {member.name} have {len(prompt)} characters together"
        raise InvalidRequest(f"{message}; at most {most} are allowed", f"{path}prompt")
    changes: dict[str, Any] = {"prompt": prompt}
    if layer.seed is None and member.seed is not None:
        changes["seed"] = member.seed
    if layer.loras is None and member.loras:
        changes["loras"] = list(member.loras)
    starts = False
    found = find_model(config.layers[kind], layer.model or model)
    if found is not None:
        settings = found[1].generator.model
        tasks: tuple[str, ...] = tasks_of(settings)
        family = card_of(settings).family
        reads_negative = family.takes_negative_prompt and layer.negative_prompt is None
        if reads_negative and member.negative_prompt is not None:
            changes["negative_prompt"] = member.negative_prompt
        own = layer.image is not None or layer.mask is not None
        reads = "references" in tasks
        if reads and family.from_words:
            # An editing model takes one or the other, and the layer's own start picture comes first.
            edits_own = own and bool(family.reference_argument)
            if member.references and layer.references is None and not edits_own:
                changes["references"] = list(member.references)
        elif member.references and not own and not {"image_to_image", "image_editing"}.isdisjoint(tasks):
            starts = True
            first, *others = member.references
            changes["image"] = first
            if reads and others and layer.references is None:
                changes["references"] = others
    resolved = layer.model_copy(update=changes)
    resolved._use = CastUse(
        name=member.name,
        version=member.version,
        reference=member.references[0] if member.references else None,
        starts=starts,
    )
    return resolved
