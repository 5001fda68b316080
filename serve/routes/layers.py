"""POST /v1/characters and /v1/backgrounds: paint a single layer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from deployments.errors import InvalidRequest
from deployments.messages import LayerJob, LayerKind, LayerResult, OutputOptions, Picture

from ..api import responses
from ..api.layer_schema import CharacterRequest, LayerRequest, StreamQuery
from ..api.resolve import admit, admit_layer, deadline_of, output_options
from ..api.response_bodies import NO_LINKS, Links
from ..api.response_schema import LayerResponse
from ..auth.middleware import tenant_of
from ..cast.cast_service import CastService
from ..config.service_config import ServiceConfig
from ..graph.other_renders import render_cutout, render_layer
from ..graph.scene import Graph
from ..http.body import abandon_with_client, accept_with_digest, parse
from ..http.sse import EventStream
from ..jobs.single_layers import SingleLayerRequest
from ..openapi.fragments import LAYER, describe_body, describe_headers, describe_query, together
from ..pictures.kept_results import ResultService
from ..pictures.picture_service import PictureService
from .charges import (
    charged,
    charged_events,
    layer_cost,
    sent,
)
from .input_pictures import read_inputs
from .job_submission import DESCRIBED, LATER, JobSubmission, prefers_async
from .result_links import check_room, linked
from .scene_events import layer_events


def layer_routes(
    config: ServiceConfig,
    graph: Graph,
    pictures: PictureService,
    cast: CastService,
    results: ResultService,
    submission: JobSubmission,
) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/characters",
        response_model=LayerResponse,
        responses=LATER | LAYER,
        openapi_extra=describe_body(CharacterRequest)
        | together(describe_query(StreamQuery), describe_headers(DESCRIBED)),
    )
    async def paint_character(request: Request) -> Response:
        later = prefers_async(request)
        requested, digest = await accept_with_digest(request, CharacterRequest, config.limits, later)
        if later:
            return await paint_later(request, "character", requested, digest)
        if requested.cutout:
            return await cut_character_out(request, requested)
        return await paint_layer(request, "character", requested)

    async def admitted(request: Request, kind: LayerKind, requested: LayerRequest) -> tuple[LayerJob, Graph]:
        limits, request_id, tenant = config.limits, request.state.request_id, tenant_of(request)
        requested = await cast.resolve(tenant_of(request), requested)
        deadline_at = deadline_of(requested.deadline_s, limits)
        inputs = await read_inputs(request, requested.named_pictures(), graph, limits, pictures, deadline_at)
        job = await admit(
            lambda: admit_layer(kind, requested, config, request_id, tenant, inputs.known, deadline_at),
            [requested],
        )
        if requested.output.sent_as == "url":
            await check_room(request, results, [job])
        return job, graph.with_files(inputs.files)

    def output_of(request: Request, requested: LayerRequest, cutout: bool) -> OutputOptions:
        accepted = responses.accepted_format(request) or ("png" if cutout else None)
        output = output_options(requested.output, config, accepted)
        if cutout and output.format == "jpeg":
            raise InvalidRequest("a cut-out needs transparency: use png or webp", "output.format")
        if cutout and output.format == "webp" and output.upscale != 1.0:
            raise InvalidRequest("an upscaled cut-out can only be written as png", "output.format")
        return output

    async def paint_later(
        request: Request, kind: LayerKind, requested: LayerRequest, digest: str
    ) -> Response:
        if earlier := await submission.earlier(request, digest):
            return earlier
        requested = await cast.resolve(tenant_of(request), requested)
        cutout = isinstance(requested, CharacterRequest) and requested.cutout
        single = SingleLayerRequest(kind, requested, output_of(request, requested, cutout))
        tenant, request_id = tenant_of(request), request.state.request_id
        named = list(requested.named_pictures())
        return await submission.respond(
            request,
            [single],
            digest,
            named,
            lambda known: admit_layer(kind, requested, config, request_id, tenant, known),
        )

    async def cut_character_out(request: Request, requested: CharacterRequest) -> Response:
        output = output_of(request, requested, True)
        job, painting_graph = await admitted(request, "character", requested)
        work = with_links(request, requested, partial(render_cutout, painting_graph, job, output))
        painting = charged(request, layer_cost(job, output), sent(graph, job), work)
        return responses.layer_response(request, *await abandon_with_client(request, painting))

    async def with_links(
        request: Request,
        requested: LayerRequest,
        paint: Callable[[], Coroutine[Any, Any, tuple[LayerResult, Picture]]],
    ) -> tuple[LayerResult, Picture, Links]:
        layer, picture = await paint()
        return layer, picture, await links_of(request, requested, (picture,))

    async def links_of(request: Request, requested: LayerRequest, pictures: Iterable[Picture]) -> Links:
        if requested.output.sent_as != "url":
            return NO_LINKS
        return await linked(request, results, pictures)

    @router.post(
        "/v1/backgrounds",
        response_model=LayerResponse,
        responses=LATER | LAYER,
        openapi_extra=describe_body(LayerRequest)
        | together(describe_query(StreamQuery), describe_headers(DESCRIBED)),
    )
    async def paint_background(request: Request) -> Response:
        later = prefers_async(request)
        requested, digest = await accept_with_digest(request, LayerRequest, config.limits, later)
        if later:
            return await paint_later(request, "background", requested, digest)
        return await paint_layer(request, "background", requested)

    async def paint_layer(request: Request, kind: LayerKind, requested: LayerRequest) -> Response:
        job, painting_graph = await admitted(request, kind, requested)
        output = output_of(request, requested, False)
        previews = parse(dict(request.query_params), StreamQuery).previews
        amount, begun = layer_cost(job, output), sent(graph, job)
        if responses.wants_events(request):
            links = partial(links_of, request, requested)
            events = layer_events(painting_graph, job, output, previews, links)
            return EventStream(request, charged_events(request, amount, begun, events))
        work = with_links(request, requested, partial(render_layer, painting_graph, job, output))
        painting = charged(request, amount, begun, work)
        return responses.layer_response(request, *await abandon_with_client(request, painting))

    return router
