"""The request and the response of a merge of two files."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from fastapi import Request, Response
from pydantic import Field

from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import measure
from deployments.imaging.files.picture_encoding import media_type
from deployments.merge_work import FILE_BYTES_A_PX, upscaling_bytes
from deployments.messages import MAX_FIGURES, MergeJob, MergeResult, PictureFormat, UploadJob

from ..config.memory_budgets import layers_and_upscaling_bytes
from ..config.request_limits import Limits
from ..config.service_config import ServiceConfig
from ..http.body import parse, understand
from ..http.forms import Form
from ..http.rendering import JsonResponse
from . import responses
from .layer_schema import Output
from .resolve import attribution_mark, figure_options, merge_options, output_options, refuse_one_position
from .resolve_layer import check_upscaled
from .response_bodies import NO_LINKS, Links, layers_body, merge_body, picture_body, safety_body, size_of
from .response_schema import GroupLayersBody, LayersBody, MergeBody, PictureBody, SafetyBody, UsageBody
from .scene_schema import Merge, Placing
from .wire import Wire

WIRE_NAMES = {"width": "width_px", "height": "height_px"}


class MergesOptions(Wire):
    """The `options` of a merge. Fields that `merge` leaves out are as in the scene whose layers are sent.

    The same holds for each of `figures`. There is one for each `character` file of the form, in the same
    order. Without `figures`, several files stand side by side, or as they stood in their scene.
    """

    merge: Merge = Merge()
    figures: list[Placing] | None = Field(
        None,
        min_length=1,
        max_length=MAX_FIGURES,
        description="the placement of each character, in the order of the `character` files",
    )
    enhance: bool = False
    attribution: bool = False
    layers: bool = False
    output: Output = Output()


class Unknown(Wire):
    """The seeds or the models of a merge: all null, since no layer was painted here."""

    character: None = None
    background: None = None


class MergesResponse(Wire):
    id: str
    created: int = Field(description="seconds since 1970")
    image: PictureBody
    seeds: Unknown = Unknown()
    merge: MergeBody
    layers: LayersBody | GroupLayersBody | None = Field(
        None, description="present if the options have `layers` true"
    )
    degraded: tuple[str, ...] = Field((), description="always empty: nothing is painted here")
    warnings: list[str]
    models: Unknown = Unknown()
    timings_ms: dict[str, float]
    safety: SafetyBody | None = Field(None, description="present if this service judges pictures")
    usage: UsageBody = Field(UsageBody(), description="always zero: a merge uses no device")


def admit_merge(
    requested: MergesOptions,
    form: Form,
    config: ServiceConfig,
    request_id: str,
    accepted: PictureFormat | None,
    tenant: str = "",
) -> UploadJob:
    """Turn a merge request into a job.

    Raises InvalidRequest with the parameter's path, or with the name of a file that is not a picture.
    """
    most_px = config.limits.max_upload_pixels
    characters, background = form.files["character"], form.files["background"][0]
    figures = _figures(requested, len(characters))
    options = merge_options(requested.merge, config)
    largest = config.limits.max_frame_size or config.limits.max_image_size
    size = (options.width_px, options.height_px) if _has_frame(requested.merge) else (largest, largest)
    check_upscaled(size, requested.output.upscale, config.limits)
    merge = MergeJob(
        request_id,
        options,
        output_options(requested.output, config, accepted),
        requested.enhance,
        attribution_mark(config) if requested.attribution else None,
        requested.layers,
        tenant,
        figures=tuple(map(figure_options, figures)),
    )
    job = UploadJob(
        merge,
        characters[0],
        background,
        most_px,
        _given(requested.merge),
        largest,
        further=characters[1:],
        given_figures=tuple(map(_given, figures)),
    )
    characters_px = tuple(
        measure(file, job.character_name(index), most_px) for index, file in enumerate(characters)
    )
    if sum(characters_px) > most_px:
        message = f"the characters have {sum(characters_px)} pixels together; at most {most_px} are allowed"
        raise InvalidRequest(message, "character")
    job = replace(job, characters_px=characters_px, background_px=measure(background, "background", most_px))
    layers = FILE_BYTES_A_PX * (sum(characters_px) + job.background_px)
    if layers + upscaling_bytes(size[0] * size[1], merge.output) > layers_and_upscaling_bytes(config.limits):
        message = "output.upscale is too high for files with so many pixels: lower it, or merge smaller files"
        raise InvalidRequest(message, "output.upscale")
    return job


def _figures(requested: MergesOptions, characters: int) -> list[Placing]:
    """Return the characters' placings; none for a single one without `figures`. Raises InvalidRequest."""
    if requested.figures is None and characters == 1:
        return []
    refuse_one_position(requested.merge)
    figures = [Placing()] * characters if requested.figures is None else requested.figures
    if len(figures) != characters:
        message = f"figures has {len(figures)} entries for {characters} character files: give one for each"
        raise InvalidRequest(message, "figures")
    return figures


def _has_frame(requested: Merge) -> bool:
    """Return whether a request gives its frame's size. If it does not, the tags in the layers' files may."""
    return requested.width is not None and requested.height is not None


def _given(requested: Merge | Placing) -> frozenset[str]:
    given = {name for name in requested.model_fields_set if getattr(requested, name) is not None}
    return frozenset(WIRE_NAMES.get(name, name) for name in given)


async def read_options(form: Form, limits: Limits) -> MergesOptions:
    """Read the form's `options`.

    An error's `param` is the path that the field has in a scene's request, such as `merge.width`.
    """
    return await understand(form.options.strip() or b"null", limits, _options)


def _options(requested: Any) -> MergesOptions:
    if not isinstance(requested, dict | None):
        raise InvalidRequest("options must be an object", "options")
    return parse(requested or {}, MergesOptions)


def merges_response(request: Request, merged: MergeResult, links: Links = NO_LINKS) -> Response:
    """Respond as for a scene, without the headers that only painting has, such as X-Seed and X-Backend."""
    timings = {"merge": merged.merge_ms, "output": merged.output_ms}
    headers = {
        "X-Merge": responses.merge_header(merged),
        "Server-Timing": ", ".join(f"{name};dur={ms:.1f}" for name, ms in timings.items()),
        **responses.picture_headers(merged.picture),
    }
    picture = merged.picture
    if not links and not responses.wants_json(request):
        return Response(picture.data, media_type=media_type(picture.format), headers=headers)

    def body() -> dict[str, Any]:
        made = MergesResponse(
            id=request.state.request_id,
            created=int(time.time()),
            image=picture_body(picture, links),
            merge=merge_body(merged),
            layers=layers_body(merged, links),
            warnings=[f"merge: {warning}" for warning in merged.warnings],
            timings_ms={name: round(ms, 2) for name, ms in timings.items()},
            safety=safety_body(picture),
        )
        # exclude_none drops the nulls of seeds and models: add them again.
        sent = {"seeds": made.seeds.model_dump(), "models": made.models.model_dump()}
        return made.model_dump(exclude_none=True) | sent

    return JsonResponse(body, size_of(picture, *merged.layers.values()), headers=headers)
