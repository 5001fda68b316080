"""POST /v1/merges: merge picture files, or the layers of an earlier scene, into one picture."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response

from deployments.merge_work import upload_megapixels
from deployments.messages import MAX_FIGURES, MergeResult

from ..api import responses
from ..api.merge_request import (
    MergesOptions,
    MergesResponse,
    admit_merge,
    merges_response,
    read_options,
)
from ..api.response_bodies import NO_LINKS, Links
from ..auth.middleware import tenant_of
from ..config.service_config import ServiceConfig
from ..graph.other_renders import render_upload
from ..graph.scene import Graph
from ..http.body import abandon_with_client
from ..http.forms import read_form
from ..http.off_loop import off_loop
from ..openapi.fragments import MERGED, describe_form
from ..pictures.kept_results import ResultService
from .charges import charged
from .result_links import check_room, linked

DEADLINE_S = 120.0
FILES = {"character": MAX_FIGURES, "background": 1}


def merge_routes(config: ServiceConfig, graph: Graph, results: ResultService) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/merges",
        response_model=MergesResponse,
        responses=MERGED,
        openapi_extra=describe_form(FILES, "options", MergesOptions),
    )
    async def merge_pictures(request: Request) -> Response:
        form = await read_form(request, config.limits, FILES, "options")
        requested = await read_options(form, config.limits)
        accepted, tenant = responses.accepted_format(request), tenant_of(request)
        job = await off_loop(
            lambda: admit_merge(requested, form, config, request.state.request_id, accepted, tenant)
        )
        links = requested.output.sent_as == "url"
        if links:
            await check_room(request, results, [job])

        async def merge() -> tuple[MergeResult, Links]:
            merged = await render_upload(graph, job, time.monotonic() + DEADLINE_S)
            if not links:
                return merged, NO_LINKS
            return merged, await linked(request, results, (merged.picture, *merged.layers.values()))

        merging = charged(request, upload_megapixels(job), lambda: True, merge())
        return merges_response(request, *await abandon_with_client(request, merging))

    return router
