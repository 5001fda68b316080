"""Results to HTTP: what the caller accepts, the JSON body, and the headers that every picture carries."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import Request, Response

from deployments.imaging.files.picture_encoding import UPSCALING, media_type
from deployments.messages import Backend, LayerResult, MergeResult, Picture, PictureFormat, Usage

from ..graph.scene_job import SceneResult
from ..http.rendering import JsonResponse, base64_of
from ..http.sse import EVENTS
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

WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
MAX_ACCEPT_CHARS = 4_096
FORMATS: dict[str, PictureFormat] = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}


def wants_json(request: Request) -> bool:
    """Return True where JSON is named before any picture. False otherwise, also for `*/*`."""
    return next((kind == "application/json" for kind in _accepted(request) if _serves(kind)), False)


def wants_events(request: Request) -> bool:
    """Return True where a stream of events is named before JSON and any picture."""
    kinds = (kind for kind in _accepted(request) if _serves(kind) or kind == EVENTS)
    return next(kinds, None) == EVENTS


def accepted_format(request: Request) -> PictureFormat | None:
    """Return the first picture format that the Accept header names, or None."""
    return next((FORMATS[kind] for kind in _accepted(request) if kind in FORMATS), None)


def _accepted(request: Request) -> list[str]:
    """Return media types in the caller's order of preference.

    A stable sort keeps equals as they were written.
    """
    ranked = []
    for part in request.headers.get("accept", "*/*")[:MAX_ACCEPT_CHARS].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        ranked.append((float(weight) if WEIGHT.fullmatch(weight) else 1.0, kind))
    return [kind for weight, kind in sorted(ranked, key=lambda item: -item[0]) if weight]


def _serves(kind: str) -> bool:
    return kind in ("application/json", "*/*", "image/*") or kind in FORMATS


Links = Mapping[bytes, tuple[str, int]]
"""The link to each picture that is sent as one, by its file's bytes, and when the link ends."""
NO_LINKS: Links = {}


def scene_response(request: Request, result: SceneResult, links: Links = NO_LINKS) -> Response:
    """Answer with the picture or the JSON, by Accept; with JSON where its pictures are links."""
    merged, headers = result.merged, scene_headers(result)
    if links or wants_json(request):
        request_id, size = request.state.request_id, size_of(*pictures_of(result))
        return JsonResponse(lambda: scene_body(request_id, result, links), size, headers=headers)
    return Response(merged.picture.data, media_type=media_type(merged.picture.format), headers=headers)


def scene_headers(result: SceneResult) -> dict[str, str]:
    """Return the headers of a scene's picture."""
    merged = result.merged
    return {
        "X-Seed": _seed_header(result),
        "X-Merge": merge_header(merged),
        **_cast_headers(result),
        **_shared_headers(_degraded(result), result.layers, _scene_timings(result)),
        **picture_headers(merged.picture),
    }


def _cast_headers(result: SceneResult) -> dict[str, str]:
    """Return `X-Cast: characters=mira@3,-`, with the layers that show somebody of the cast."""
    name = "characters" if result.character is None else "character"
    layers = {name: result.figures, "background": (result.background,)}
    shown = [
        f"{layer}={','.join(map(_cast_header, painted))}"
        for layer, painted in layers.items()
        if any(each.cast for each in painted)
    ]
    headers = {"X-Cast": "; ".join(shown)} if shown else {}
    if result.consistency:
        measured = ",".join(map(_consistency_header, result.figures))
        headers["X-Consistency"] = f"{name}={measured}"
    return headers


def _consistency_header(layer: LayerResult) -> str:
    return "-" if layer.consistency is None else f"{layer.consistency:.2f}"


def _seed_header(result: SceneResult) -> str:
    """Return `character=42; background=123`; of several figures `characters=42,43; background=123`."""
    name = "characters" if result.character is None else "character"
    seeds = ",".join(str(layer.seed) for layer in result.figures)
    return f"{name}={seeds}; background={result.background.seed}"


def pictures_of(result: SceneResult) -> tuple[Picture, ...]:
    """Return all pictures that a scene's JSON holds."""
    return (result.merged.picture, *result.merged.layers.values())


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
        degraded=_degraded(result),
        warnings=[
            *(f"{name}: {warning}" for name, layer in result.named_layers for warning in layer.warnings),
            *(f"merge: {warning}" for warning in merged.warnings),
        ],
        models=models,
        cast=_scene_cast(result),
        timings_ms={name: round(ms, 2) for name, ms in _scene_timings(result).items()},
        usage=usage_body(usage_of(result.layers)),
        safety=safety_body(merged.picture),
    )
    return body.model_dump(exclude_none=True)


def _scene_cast(result: SceneResult) -> SceneCast | None:
    """Return who the layers of a scene show; None where no layer names anybody."""
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


def _cast_header(layer: LayerResult) -> str:
    """Return `mira@3`, or `-` where a layer shows nobody of the cast."""
    return f"{layer.cast}@{layer.cast_version}" if layer.cast else "-"


def _degraded(result: SceneResult) -> list[str]:
    return [f"{name}: {how}" for name, layer in result.named_layers for how in layer.degraded]


def _scene_timings(result: SceneResult) -> dict[str, float]:
    """Return the stages of each layer by name, such as `character-queue` or `character-0-queue`."""
    merged, timings = result.merged, dict[str, float]()
    for name, layer in result.named_layers:
        timings |= _layer_timings(layer, f"{name.replace('characters.', 'character-')}-")
    return timings | {"merge": merged.merge_ms, "output": merged.output_ms}


def layer_response(
    request: Request, layer: LayerResult, picture: Picture, links: Links = NO_LINKS
) -> Response:
    """Answer with one layer: the picture or the JSON, by Accept; with JSON where the picture is a link."""
    headers = layer_headers(layer) | picture_headers(picture)
    if links or wants_json(request):
        request_id, size = request.state.request_id, size_of(picture)
        return JsonResponse(lambda: layer_body(request_id, layer, picture, links), size, headers=headers)
    return Response(picture.data, media_type=media_type(picture.format), headers=headers)


def layer_headers(layer: LayerResult) -> dict[str, str]:
    """Return the headers of a layer's picture."""
    timings = _layer_timings(layer, "")
    cast = {"X-Cast": _cast_header(layer)} if layer.cast else {}
    if layer.consistency is not None:
        cast["X-Consistency"] = _consistency_header(layer)
    return {"X-Seed": str(layer.seed), **cast, **_shared_headers(list(layer.degraded), (layer,), timings)}


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
        timings_ms={name: round(ms, 2) for name, ms in _layer_timings(layer, "").items()},
        usage=usage_body(layer.usage),
        safety=safety_body(picture),
    )
    return body.model_dump(exclude_none=True)


def _layer_timings(layer: LayerResult, prefix: str) -> dict[str, float]:
    timings = layer.timings
    return {
        f"{prefix}queue": timings.queue_ms,
        f"{prefix}encode": timings.encode_ms,
        f"{prefix}denoise": timings.denoise_ms,
        f"{prefix}decode": timings.decode_ms,
    }


def _shared_headers(
    degraded: list[str], layers: tuple[LayerResult, ...], timings: dict[str, float]
) -> dict[str, str]:
    headers = {
        "X-Backend": backend_of({layer.backend for layer in layers}),
        **usage_header(layers),
        "Server-Timing": ", ".join(f"{name};dur={ms:.1f}" for name, ms in timings.items()),
    }
    if degraded:
        headers["X-Degraded"] = ", ".join(degraded)
    return headers


def safety_body(picture: Picture) -> SafetyBody | None:
    judged = picture.safety
    return None if judged is None else SafetyBody(score=round(judged.score, 4), flagged=judged.flagged)


def picture_headers(picture: Picture) -> dict[str, str]:
    """Return `score=0.0312; flagged=false` where it was judged, and `lanczos; factor=4` where upscaled."""
    body, headers = safety_body(picture), dict[str, str]()
    if body is not None:
        headers["X-Safety"] = f"score={body.score:g}; flagged={str(body.flagged).lower()}"
    if picture.upscaled != 1.0:
        headers["X-Upscaled"] = f"{UPSCALING}; factor={picture.upscaled:g}"
    return headers


def usage_header(layers: Iterable[LayerResult]) -> dict[str, str]:
    """Return `device_s=1.25; megapixel_steps=7.4` as a header."""
    used = usage_body(usage_of(layers))
    return {"X-Usage": f"device_s={used.device_s:g}; megapixel_steps={used.megapixel_steps:g}"}


def usage_of(layers: Iterable[LayerResult]) -> Usage:
    """Return what the layers took together."""
    return sum((layer.usage for layer in layers), Usage())


def usage_body(used: Usage) -> UsageBody:
    return UsageBody(device_s=round(used.device_s, 6), megapixel_steps=round(used.megapixel_steps, 6))


def backend_of(backends: set[Backend]) -> Backend:
    """Return the picture's backend: one simulated layer makes it simulated."""
    return "simulated" if "simulated" in backends else "diffusers"


def merge_header(merged: MergeResult) -> str:
    """Return `cutout; confidence=0.97`; of several figures `cutout,paste; confidence=0.97,0.31`."""
    figures = merged.figures or (merged,)
    modes = ",".join(figure.mode for figure in figures)
    return f"{modes}; confidence={','.join(f'{figure.confidence:.2f}' for figure in figures)}"


def merge_body(merged: MergeResult) -> MergeBody:
    """Return the merge's part of the body; `figures` None where there is one character alone."""
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
    """Return the layers' part of the body, None where the request did not want them."""
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
