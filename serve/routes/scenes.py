"""POST /v1/scenes: paint a scene."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack

from fastapi import APIRouter, Request, Response

from ..api import responses
from ..api.known_pictures import NO_INPUTS
from ..api.layer_schema import StreamQuery
from ..api.resolve import admit, admit_scene, deadline_of
from ..api.response_bodies import NO_LINKS, Links, pictures_of
from ..api.response_schema import SceneResponse
from ..api.scene_schema import SceneRequest, layers_in, pictures_in
from ..auth.middleware import tenant_of
from ..cast.cast_service import CastService
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph, render
from ..graph.scene_job import SceneResult
from ..http.body import abandon_with_client, accept_with_digest, parse
from ..http.sse import Event, EventStream
from ..openapi.fragments import SCENE, describe_body, describe_headers, describe_query, together
from ..pictures.kept_results import ResultService
from ..pictures.picture_service import PictureService
from ..pictures.repeated_requests import Answered
from .charges import (
    charged,
    charged_events,
    scene_cost,
    sent,
)
from .input_pictures import read_inputs
from .job_submission import (
    DESCRIBED,
    KEY,
    KEY_HEADER,
    LATER,
    PREFER,
    JobSubmission,
    idempotency_key,
    kept_as_it_is,
    prefers_async,
)
from .repeats import begin, replay
from .result_links import check_room, linked
from .scene_events import scene_events

REPEATABLE = {
    KEY_HEADER: (f"^{KEY.pattern}$", "repeating the key and the body within a day returns the same response")
}


def scene_routes(
    config: ServiceConfig,
    graph: Graph,
    pictures: PictureService,
    cast: CastService,
    results: ResultService,
    submission: JobSubmission,
) -> APIRouter:
    router = APIRouter()
    backend = responses.backend_of({model.generator.backend for model in config.generators.values()})
    limits = config.limits

    @router.post(
        "/v1/scenes",
        response_model=SceneResponse,
        responses=LATER | SCENE,
        openapi_extra=describe_body(SceneRequest)
        | together(describe_query(StreamQuery), describe_headers(DESCRIBED | REPEATABLE)),
    )
    async def paint_scene(request: Request) -> Response:
        later = PREFER in request.headers and prefers_async(request)
        key = idempotency_key(request) if KEY_HEADER in request.headers else None
        requested, digest = await accept_with_digest(
            request, SceneRequest, limits, wanted=later or key is not None
        )
        if later:
            return await paint_later(request, requested, digest)
        deadline_at = deadline_of(requested.deadline_s, limits)
        once, links = None, requested.output.sent_as == "url"
        if key is not None:
            beginning = begin(request, results, key, digest, deadline_at)
            once = await abandon_with_client(request, beginning)
        if isinstance(once, Answered):
            return await replay(request, results, once, links)

        async def finish(painted: SceneResult) -> Links:
            if once is not None:
                await once.keep(painted)
            if not links:
                return NO_LINKS
            return await linked(request, results, pictures_of(painted))

        async with AsyncExitStack() as turn:
            if once is not None:
                turn.push_async_callback(once.end)
            shown = await cast.resolve(tenant_of(request), requested)
            inputs = NO_INPUTS
            if named := pictures_in(shown):
                inputs = await read_inputs(request, named, graph, limits, pictures, deadline_at)
            accepted, tenant = responses.accepted_format(request), tenant_of(request)
            request_id, painting_graph = request.state.request_id, graph.with_files(inputs.files)
            job = await admit(
                lambda: admit_scene(shown, config, request_id, accepted, tenant, inputs.known, deadline_at),
                layers_in(shown),
            )
            if links or once is not None:
                await check_room(request, results, [job], links, once is not None)
            previews = parse(dict(request.query_params), StreamQuery).previews
            amount, begun = scene_cost(job), sent(graph, *job.layers)
            if responses.wants_events(request):
                events = scene_events(painting_graph, job, previews, finish)
                work, handed_on = charged_events(request, amount, begun, events), turn.pop_all()

                async def produce(on_event: Callable[[Event], None]) -> None:
                    async with handed_on:
                        await work(on_event)

                return EventStream(request, produce, backend=backend)

            async def paint() -> tuple[SceneResult, Links]:
                painted = await render(painting_graph, job)
                return painted, await finish(painted)

            painting = charged(request, amount, begun, paint())
            return responses.scene_response(request, *await abandon_with_client(request, painting))

    async def paint_later(request: Request, requested: SceneRequest, digest: str) -> Response:
        if earlier := await submission.earlier(request, digest):
            return earlier
        shown = await cast.resolve(tenant_of(request), requested)
        scene = kept_as_it_is(shown, responses.accepted_format(request))
        tenant, request_id = tenant_of(request), request.state.request_id
        return await submission.respond(
            request,
            [scene],
            digest,
            pictures_in(shown),
            lambda known: admit_scene(scene, config, request_id, None, tenant, known),
        )

    return router
