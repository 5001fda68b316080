"""POST /v1/scenes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ..api import responses
from ..api.resolve import admit_scene, deadline_of
from ..api.schema import SceneRequest, SceneResponse, StreamQuery
from ..auth.middleware import tenant_of
from ..cast.service import CastService
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph, render
from ..http.body import abandon_with_client, accept, parse
from ..http.sse import EventStream
from ..openapi.fragments import SCENE, describe_body, describe_query
from ..pictures.service import PictureService
from .charges import (
    charged,
    charged_events,
    scene_cost,
    sent,
)
from .input_pictures import admit, layers_in, of_scene, read_inputs, with_cast, with_files
from .scene_events import scene_events


def scene_routes(
    config: ServiceConfig, graph: Graph, pictures: PictureService, cast: CastService
) -> APIRouter:
    router = APIRouter()
    backend = responses.backend_of({model.generator.backend for model in config.generators.values()})

    @router.post(
        "/v1/scenes",
        response_model=SceneResponse,
        responses=SCENE,
        openapi_extra=describe_body(SceneRequest) | describe_query(StreamQuery),
    )
    async def paint_scene(request: Request) -> Response:
        requested = await with_cast(request, await accept(request, SceneRequest, config.limits), cast)
        accepted = responses.accepted_format(request)
        limits, request_id, tenant = config.limits, request.state.request_id, tenant_of(request)
        deadline_at = deadline_of(requested.deadline_s, limits)
        inputs = await read_inputs(request, of_scene(requested), graph, limits, pictures, deadline_at)
        painting_graph = with_files(graph, inputs)
        job = await admit(
            lambda: admit_scene(requested, config, request_id, accepted, tenant, inputs.known, deadline_at),
            layers_in(requested),
        )
        previews = parse(dict(request.query_params), StreamQuery).previews
        amount, begun = scene_cost(job), sent(graph, *job.layers)
        if responses.wants_events(request):
            work = charged_events(request, amount, begun, scene_events(painting_graph, job, previews))
            return EventStream(request, work, backend=backend)
        painting = charged(request, amount, begun, render(painting_graph, job))
        result = await abandon_with_client(request, painting)
        return responses.scene_response(request, result)

    return router
