"""POST /v1/scenes."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from .. import answers
from ..admission import admit_scene
from ..auth.charges import charged, charged_events, scene_cost, sent
from ..body import accept, parse
from ..config import ServiceConfig
from ..disconnects import abandon_with_client
from ..event_stream import EventStream
from ..openapi import SCENE, describe_body, describe_query
from ..progress import scene_events
from ..scene import Graph, render
from ..schema import SceneAnswer, SceneRequest, StreamQuery
from ..tenants import tenant_of


def scene_routes(config: ServiceConfig, graph: Graph) -> APIRouter:
    router = APIRouter()
    backend = answers.backend_of({config.character.generator.backend, config.background.generator.backend})

    @router.post(
        "/v1/scenes",
        response_model=SceneAnswer,
        responses=SCENE,
        openapi_extra=describe_body(SceneRequest) | describe_query(StreamQuery),
    )
    async def paint_scene(request: Request) -> Response:
        asked = await accept(request, SceneRequest, config.limits)
        accepted = answers.accepted_format(request)
        job = admit_scene(asked, config, request.state.request_id, accepted, tenant_of(request))
        previews = parse(dict(request.query_params), StreamQuery).previews
        amount, begun = scene_cost(job), sent(graph, job.character, job.background)
        if answers.wants_events(request):
            work = charged_events(request, amount, begun, scene_events(graph, job, previews))
            return EventStream(request, work, backend=backend)
        painting = charged(request, amount, begun, render(graph, job))
        result = await abandon_with_client(request, painting)
        return answers.scene_answer(request, result)

    return router
