"""Turn results into HTTP responses: the accepted format, the JSON body, and each picture's headers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from fastapi import Request, Response

from deployments.imaging.files.picture_encoding import UPSCALING, media_type
from deployments.messages import Backend, LayerResult, MergeResult, Picture, PictureFormat

from ..graph.bill import usage_of
from ..graph.scene_job import SceneResult, stages_ms
from ..http.rendering import JsonResponse
from ..http.sse import EVENTS
from .response_bodies import NO_LINKS, Links, layer_body, pictures_of, scene_body, size_of

WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
MAX_ACCEPT_CHARS = 4_096
FORMATS: dict[str, PictureFormat] = {"image/jpeg": "jpeg", "image/png": "png", "image/webp": "webp"}


def wants_json(request: Request) -> bool:
    """Return True if Accept names JSON before any picture type; False otherwise, also for `*/*`."""
    return next((kind == "application/json" for kind in _accepted(request) if _serves(kind)), False)


def wants_events(request: Request) -> bool:
    """Return True if Accept names an event stream before JSON and any picture type."""
    kinds = (kind for kind in _accepted(request) if _serves(kind) or kind == EVENTS)
    return next(kinds, None) == EVENTS


def accepted_format(request: Request) -> PictureFormat | None:
    """Return the first picture format that the Accept header names, or None."""
    return next((FORMATS[kind] for kind in _accepted(request) if kind in FORMATS), None)


def _accepted(request: Request) -> list[str]:
    """Return media types in the caller's order of preference.

    The sort is stable, so types of equal weight keep their order.
    """
    ranked = []
    for part in request.headers.get("accept", "*/*")[:MAX_ACCEPT_CHARS].split(","):
        kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        ranked.append((float(weight) if WEIGHT.fullmatch(weight) else 1.0, kind))
    return [kind for weight, kind in sorted(ranked, key=lambda item: -item[0]) if weight]


def _serves(kind: str) -> bool:
    return kind in ("application/json", "*/*", "image/*") or kind in FORMATS


def scene_response(request: Request, result: SceneResult, links: Links = NO_LINKS) -> Response:
    """Respond with the picture or JSON, by Accept; always with JSON if its pictures are links."""
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
        **_shared_headers(result.degraded, result.layers, result.timings_ms),
        **picture_headers(merged.picture),
    }


def _cast_headers(result: SceneResult) -> dict[str, str]:
    """Return `X-Cast: characters=mira@3,-` if layers show the cast, and X-Consistency if it is measured."""
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
    """Return `character=42; background=123`, or `characters=42,43; background=123` for several figures."""
    name = "characters" if result.character is None else "character"
    seeds = ",".join(str(layer.seed) for layer in result.figures)
    return f"{name}={seeds}; background={result.background.seed}"


def _cast_header(layer: LayerResult) -> str:
    """Return `mira@3`, or `-` if the layer shows no member of the cast."""
    return f"{layer.cast}@{layer.cast_version}" if layer.cast else "-"


def layer_response(
    request: Request, layer: LayerResult, picture: Picture, links: Links = NO_LINKS
) -> Response:
    """Respond with one layer: the picture or JSON, by Accept; always with JSON if the picture is a link."""
    headers = layer_headers(layer) | picture_headers(picture)
    if links or wants_json(request):
        request_id, size = request.state.request_id, size_of(picture)
        return JsonResponse(lambda: layer_body(request_id, layer, picture, links), size, headers=headers)
    return Response(picture.data, media_type=media_type(picture.format), headers=headers)


def layer_headers(layer: LayerResult) -> dict[str, str]:
    """Return the headers of a layer's picture."""
    timings = stages_ms(layer)
    cast = {"X-Cast": _cast_header(layer)} if layer.cast else {}
    if layer.consistency is not None:
        cast["X-Consistency"] = _consistency_header(layer)
    return {"X-Seed": str(layer.seed), **cast, **_shared_headers(list(layer.degraded), (layer,), timings)}


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


def picture_headers(picture: Picture) -> dict[str, str]:
    """Return X-Safety, `score=0.0312; flagged=false`, if judged, and X-Upscaled, `lanczos; factor=4`."""
    judged, headers = picture.safety, dict[str, str]()
    if judged is not None:
        headers["X-Safety"] = f"score={round(judged.score, 4):g}; flagged={str(judged.flagged).lower()}"
    if picture.upscaled != 1.0:
        headers["X-Upscaled"] = f"{UPSCALING}; factor={picture.upscaled:g}"
    return headers


def usage_header(layers: Iterable[LayerResult]) -> dict[str, str]:
    """Return the X-Usage header, `device_s=1.25; megapixel_steps=7.4`."""
    used = usage_of(layers)
    device_s, steps = round(used.device_s, 6), round(used.megapixel_steps, 6)
    return {"X-Usage": f"device_s={device_s:g}; megapixel_steps={steps:g}"}


def backend_of(backends: set[Backend]) -> Backend:
    """Return the picture's backend: one simulated layer makes it simulated."""
    return "simulated" if "simulated" in backends else "diffusers"


def merge_header(merged: MergeResult) -> str:
    """Return `cutout; confidence=0.97`, or `cutout,paste; confidence=0.97,0.31` for several figures."""
    figures = merged.figures or (merged,)
    modes = ",".join(figure.mode for figure in figures)
    return f"{modes}; confidence={','.join(f'{figure.confidence:.2f}' for figure in figures)}"
