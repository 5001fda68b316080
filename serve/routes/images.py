"""POST /v1/images/generations: the OpenAI-compatible endpoint."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from deployments.messages import Usage

from ..api.openai_request import ImagesRequest
from ..api.openai_responses import ImagesResponse, images_body
from ..api.resolve import deadline_of
from ..api.responses import size_of
from ..cast.service import CastService
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph, all_or_none
from ..http.body import abandon_with_client, accept
from ..http.rendering import JsonResponse
from ..http.sse import EVENTS, EventStream
from ..openapi.fragments import describe_body, responses_of
from ..pictures.service import PictureService
from .charges import charged, charged_events, sent
from .input_pictures import of_scene, read_inputs, with_cast, with_files
from .openai_painting import Painting


def image_routes(config: ServiceConfig, graph: Graph, kept: PictureService, cast: CastService) -> APIRouter:
    router = APIRouter()

    @router.post(
        "/v1/images/generations",
        response_model=ImagesResponse,
        responses=responses_of(
            "JSON, or events with `stream`",
            (EVENTS,),
            ("X-Seed", "X-Cast", "X-Consistency", "X-Backend", "X-Degraded", "Cache-Control"),
        ),
        openapi_extra=describe_body(ImagesRequest),
    )
    async def generate_images(request: Request) -> Response:
        requested = await with_cast(request, await accept(request, ImagesRequest, config.limits), cast)
        deadline_at = deadline_of(requested.deadline_s, config.limits)
        inputs = await read_inputs(request, of_scene(requested), graph, config.limits, kept, deadline_at)
        painting_graph, known = with_files(graph, inputs), inputs.known
        paintings = [
            Painting(requested, number, config, request, known, deadline_at) for number in range(requested.n)
        ]
        amount = sum(painting.cost for painting in paintings)
        begun = sent(graph, *(job for painting in paintings for job in painting.jobs))
        if requested.stream:
            events = paintings[0].events(painting_graph, requested.partial_images or 0)
            return EventStream(request, charged_events(request, amount, begun, events))
        work = all_or_none(painting.paint(painting_graph) for painting in paintings)
        painted = await abandon_with_client(request, charged(request, amount, begun, work))
        headers = {
            name: ", ".join(dict.fromkeys(said[name] for _, said in painted if name in said))
            for name in ("X-Seed", "X-Cast", "X-Consistency", "X-Backend", "X-Degraded")
        }
        given = {name: value for name, value in headers.items() if value}
        pictures = [picture for picture, _ in painted]
        used = sum((painting.used for painting in paintings), Usage())
        return JsonResponse(lambda: images_body(pictures, used), size_of(*pictures), headers=given)

    return router
