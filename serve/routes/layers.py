"""POST /v1/characters and /v1/backgrounds: one layer alone."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from deployments.errors import InvalidRequest
from deployments.messages import LayerJob, LayerKind

from ..api import responses
from ..api.input_pictures import named_pictures
from ..api.resolve import admit_layer, deadline_of, output_options
from ..api.schema import (
    CharacterRequest,
    LayerRequest,
    LayerResponse,
    StreamQuery,
)
from ..auth.middleware import tenant_of
from ..cast.service import CastService
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph, render_cutout, render_layer
from ..http.body import abandon_with_client, accept, parse
from ..http.sse import EventStream
from ..openapi.fragments import LAYER, describe_body, describe_query
from ..pictures.service import PictureService
from .charges import (
    charged,
    charged_events,
    layer_cost,
    sent,
)
from .input_pictures import admit, read_inputs, with_cast, with_files
from .scene_events import layer_events


def layer_routes(
    config: ServiceConfig, graph: Graph, pictures: PictureService, cast: CastService
) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/characters",
        response_model=LayerResponse,
        responses=LAYER,
        openapi_extra=describe_body(CharacterRequest) | describe_query(StreamQuery),
    )
    async def paint_character(request: Request) -> Response:
        requested = await accept(request, CharacterRequest, config.limits)
        if requested.cutout:
            return await cut_character_out(request, requested)
        return await paint_layer(request, "character", requested)

    async def admitted(request: Request, kind: LayerKind, requested: LayerRequest) -> tuple[LayerJob, Graph]:
        limits, request_id, tenant = config.limits, request.state.request_id, tenant_of(request)
        requested = await with_cast(request, requested, cast)
        deadline_at = deadline_of(requested.deadline_s, limits)
        inputs = await read_inputs(request, named_pictures(requested), graph, limits, pictures, deadline_at)
        job = await admit(
            lambda: admit_layer(kind, requested, config, request_id, tenant, inputs.known, deadline_at),
            [requested],
        )
        return job, with_files(graph, inputs)

    async def cut_character_out(request: Request, requested: CharacterRequest) -> Response:
        output = output_options(requested.output, config, responses.accepted_format(request) or "png")
        if output.format == "jpeg":
            raise InvalidRequest("a cut-out needs transparency: use png or webp", "output.format")
        job, painting_graph = await admitted(request, "character", requested)
        work = render_cutout(painting_graph, job, output)
        painting = charged(request, layer_cost(job), sent(graph, job), work)
        layer, picture = await abandon_with_client(request, painting)
        return responses.layer_response(request, layer, picture)

    @router.post(
        "/v1/backgrounds",
        response_model=LayerResponse,
        responses=LAYER,
        openapi_extra=describe_body(LayerRequest) | describe_query(StreamQuery),
    )
    async def paint_background(request: Request) -> Response:
        requested = await accept(request, LayerRequest, config.limits)
        return await paint_layer(request, "background", requested)

    async def paint_layer(request: Request, kind: LayerKind, requested: LayerRequest) -> Response:
        job, painting_graph = await admitted(request, kind, requested)
        output = output_options(requested.output, config, responses.accepted_format(request))
        previews = parse(dict(request.query_params), StreamQuery).previews
        amount, begun = layer_cost(job), sent(graph, job)
        if responses.wants_events(request):
            events = layer_events(painting_graph, job, output, previews)
            return EventStream(request, charged_events(request, amount, begun, events))
        painting = charged(request, amount, begun, render_layer(painting_graph, job, output))
        layer, picture = await abandon_with_client(request, painting)
        return responses.layer_response(request, layer, picture)

    return router
