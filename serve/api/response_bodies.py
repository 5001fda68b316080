"""Write results as JSON: a scene, a single layer, and the parts that all such bodies share."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from deployments.messages import LayerResult, MergeResult, Picture, Usage

from ..graph.bill import usage_of
from ..graph.scene_job import SceneResult, stages_ms
from ..http.rendering import base64_of
from .response_schema import (
    CastShown,
    FigureBody,
    GroupLayersBody,
    GroupModels,
    GroupSeeds,
    LayerResponse,
    LayersBody,
    MergeBody,
    Models,
    PictureBody,
    SafetyBody,
    SceneCast,
    SceneResponse,
    Seeds,
    Upscaled,
    UsageBody,
)

Links = Mapping[bytes, tuple[str, int]]
"""The link to each picture that is sent as a link, and its expiry time, keyed by the file's bytes."""
NO_LINKS: Links = {}


def scene_body(request_id: str, result: SceneResult, links: Links = NO_LINKS) -> dict[str, Any]:
    """Return a scene's whole JSON."""
    merged, place = result.merged, result.background
    seeds: Seeds | GroupSeeds
    models: Models | GroupModels
    if result.character is None:
        seeds = GroupSeeds(characters=[layer.seed for layer in result.characters], background=place.seed)
        models = GroupModels(characters=[layer.model for layer in result.characters], background=place.model)
    else:
        seeds = Seeds(character=result.character.seed, background=place.seed)
        models = Models(character=result.character.model, background=place.model)
    body = SceneResponse(
        id=request_id,
        created=int(result.created),
        image=picture_body(merged.picture, links),
        seeds=seeds,
        merge=merge_body(merged),
        layers=layers_body(merged, links),
        degraded=result.degraded,
        warnings=[
            *(f"{name}: {warning}" for name, layer in result.named_layers for warning in layer.warnings),
            *(f"merge: {warning}" for warning in merged.warnings),
        ],
        models=models,
        cast=_scene_cast(result),
        timings_ms={name: round(ms, 2) for name, ms in result.timings_ms.items()},
        usage=usage_body(usage_of(result.layers)),
        safety=safety_body(merged.picture),
    )
    return body.model_dump(exclude_none=True)


def pictures_of(result: SceneResult) -> tuple[Picture, ...]:
    """Return all pictures that a scene's JSON holds."""
    return (result.merged.picture, *result.merged.layers.values())


def _scene_cast(result: SceneResult) -> SceneCast | None:
    """Return the members of the cast that a scene's layers show; None if no layer names one."""
    if not any(layer.cast for layer in result.layers):
        return None
    place, shown = _cast_shown(result.background), [_cast_shown(layer) for layer in result.figures]
    if result.character is None:
        return SceneCast(characters=shown, background=place)
    return SceneCast(character=shown[0], background=place)


def _cast_shown(layer: LayerResult) -> CastShown | None:
    if not layer.cast:
        return None
    return CastShown(name=layer.cast, version=layer.cast_version, consistency=layer.consistency)


def layer_body(
    request_id: str, layer: LayerResult, picture: Picture, links: Links = NO_LINKS
) -> dict[str, Any]:
    """Return one layer's whole JSON."""
    body = LayerResponse(
        id=request_id,
        created=int(time.time()),
        image=picture_body(picture, links),
        seed=layer.seed,
        degraded=list(layer.degraded),
        warnings=list(layer.warnings),
        model=layer.model,
        cast=_cast_shown(layer),
        timings_ms={name: round(ms, 2) for name, ms in stages_ms(layer).items()},
        usage=usage_body(layer.usage),
        safety=safety_body(picture),
    )
    return body.model_dump(exclude_none=True)


def usage_body(used: Usage) -> UsageBody:
    return UsageBody(device_s=round(used.device_s, 6), megapixel_steps=round(used.megapixel_steps, 6))


def safety_body(picture: Picture) -> SafetyBody | None:
    judged = picture.safety
    return None if judged is None else SafetyBody(score=round(judged.score, 4), flagged=judged.flagged)


def merge_body(merged: MergeResult) -> MergeBody:
    """Return the merge's part of the body; `figures` is None for a single character."""
    figures = [
        FigureBody(mode=figure.mode, confidence=round(figure.confidence, 4), box=figure.box)
        for figure in merged.figures
    ]
    return MergeBody(
        mode=merged.mode,
        confidence=round(merged.confidence, 4),
        box=merged.box,
        figures=figures or None,
    )


def layers_body(merged: MergeResult, links: Links = NO_LINKS) -> LayersBody | GroupLayersBody | None:
    """Return the layers' part of the body, or None if the request did not ask for them."""
    pictures = {name: picture_body(layer, links) for name, layer in merged.layers.items()}
    if not pictures:
        return None
    if not merged.figures:
        return LayersBody(**pictures)
    each = {
        name: [pictures[f"{name}-{index}"] for index in range(len(merged.figures))]
        for name in ("character", "mask", "painted")
    }
    return GroupLayersBody(
        characters=each["character"],
        background=pictures["background"],
        masks=each["mask"],
        painted=each["painted"],
    )


def picture_body(picture: Picture, links: Links = NO_LINKS) -> PictureBody:
    body = PictureBody(
        format=picture.format,
        width=picture.width_px,
        height=picture.height_px,
        upscaled=None if picture.upscaled == 1.0 else Upscaled(factor=picture.upscaled),
    )
    if picture.data in links:
        url, expires_at = links[picture.data]
        return body.model_copy(update={"url": url, "expires_at": expires_at})
    return body.model_copy(update={"b64_json": base64_of(picture.data)})


def size_of(*pictures: Picture) -> int:
    """Return how many bytes of pictures a body holds."""
    return sum(len(picture.data) for picture in pictures)
