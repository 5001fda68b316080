"""The request and the response of a merge of two files."""

from __future__ import annotations

import time
from typing import Any

from fastapi import Request, Response
from pydantic import Field

from deployments.errors import InvalidRequest
from deployments.imaging.files.decoding import measure
from deployments.imaging.files.encoding import media_type
from deployments.messages import MergeJob, MergeResult, PictureFormat, UploadJob

from ..config.service_config import Limits, ServiceConfig
from ..http.body import parse, understand
from ..http.forms import Form
from ..http.rendering import JsonAnswer
from . import responses
from .resolve import attribution_mark, merge_options, output_options
from .schema import LayersBody, Merge, MergeBody, Output, PictureBody, Wire

WIRE_NAMES = {"width": "width_px", "height": "height_px"}


class MergesOptions(Wire):
    """The `options` of a merge. What it leaves out of `merge` is as in the scene whose layers are sent."""

    merge: Merge = Merge()
    enhance: bool = False
    attribution: bool = False
    layers: bool = False
    output: Output = Output()


class Unknown(Wire):
    """Nobody painted anything here."""

    character: None = None
    background: None = None


class MergesAnswer(Wire):
    id: str
    created: int = Field(description="seconds since 1970")
    image: PictureBody
    seeds: Unknown = Unknown()
    merge: MergeBody
    layers: LayersBody | None = Field(None, description="where the options have `layers` true")
    degraded: tuple[str, ...] = Field((), description="always empty: nothing is painted here")
    warnings: list[str]
    models: Unknown = Unknown()
    timings_ms: dict[str, float]


def admit_merge(
    asked: MergesOptions,
    form: Form,
    config: ServiceConfig,
    request_id: str,
    accepted: PictureFormat | None,
    tenant: str = "",
) -> UploadJob:
    """Turn a merge request into a job.

    Raises InvalidRequest with the parameter's path, or with that of the file that is no picture.
    """
    most_px = config.limits.max_upload_pixels
    merge = MergeJob(
        request_id,
        merge_options(asked.merge, config),
        output_options(asked.output, config, accepted),
        asked.enhance,
        attribution_mark(config) if asked.attribution else None,
        asked.layers,
        tenant,
    )
    given = {name for name in asked.merge.model_fields_set if getattr(asked.merge, name) is not None}
    return UploadJob(
        merge,
        form.files["character"],
        form.files["background"],
        most_px,
        frozenset(WIRE_NAMES.get(name, name) for name in given),
        config.limits.max_frame_size or config.limits.max_image_size,
        measure(form.files["character"], "character", most_px),
        measure(form.files["background"], "background", most_px),
    )


async def read_options(form: Form, limits: Limits) -> MergesOptions:
    """Read the form's `options`.

    `param` of a fault is the path that it has in a scene's request, such as `merge.width`.
    """
    return await understand(form.options.strip() or b"null", limits, _options)


def _options(asked: Any) -> MergesOptions:
    if not isinstance(asked, dict | None):
        raise InvalidRequest("options must be an object", "options")
    return parse(asked or {}, MergesOptions)


def merges_answer(request: Request, merged: MergeResult) -> Response:
    """Answer as for a scene, but without what only painting knows: no X-Seed and no X-Backend."""
    timings = {"merge": merged.merge_ms, "output": merged.output_ms}
    headers = {
        "X-Merge": f"{merged.mode}; confidence={merged.confidence:.2f}",
        "Server-Timing": ", ".join(f"{name};dur={ms:.1f}" for name, ms in timings.items()),
    }
    picture = merged.picture
    if not responses.wants_json(request):
        return Response(picture.data, media_type=media_type(picture.format), headers=headers)

    def body() -> dict[str, Any]:
        made = MergesAnswer(
            id=request.state.request_id,
            created=int(time.time()),
            image=responses.picture_body(picture),
            merge=MergeBody(mode=merged.mode, confidence=round(merged.confidence, 4), box=merged.box),
            layers=responses.layers_body(merged.layers),
            warnings=[f"merge: {warning}" for warning in merged.warnings],
            timings_ms={name: round(ms, 2) for name, ms in timings.items()},
        )
        return made.model_dump(exclude=None if made.layers else {"layers"})

    return JsonAnswer(body, responses.size_of(picture, *merged.layers.values()), headers=headers)
