"""POST /v1/images/generations and /v1/images/edits: the OpenAI-compatible endpoints."""

from __future__ import annotations

from functools import partial
from itertools import chain

from fastapi import APIRouter, Request, Response

from deployments.errors import InvalidRequest
from deployments.messages import Picture, Usage

from ..api.known_pictures import InputPictures, Known, as_unread
from ..api.layer_schema import Layer, PictureInput
from ..api.openai_edits import FILES, EditsRequest, read_texts
from ..api.openai_generations import ImagesRequest
from ..api.openai_request import OpenAIRequest
from ..api.openai_responses import EventName, ImagesResponse, images_body
from ..api.resolve import admit, deadline_of
from ..api.response_bodies import NO_LINKS, Links, size_of
from ..api.scene_schema import layers_in, pictures_in
from ..auth.middleware import tenant_of
from ..cast.cast_service import CastService
from ..config.service_config import ServiceConfig
from ..graph.replica_calls import all_or_none
from ..graph.scene import Graph
from ..http.body import abandon_with_client, accept_with_digest
from ..http.forms import read_fields
from ..http.off_loop import off_loop
from ..http.rendering import JsonResponse
from ..http.sse import EVENTS, EventStream
from ..openapi.fragments import describe_body, describe_fields, describe_headers, responses_of
from ..pictures.kept_results import ResultService
from ..pictures.picture_service import PictureService
from .charges import charged, charged_events, sent
from .form_pictures import keeping_files, read_files, unread
from .input_pictures import read_inputs
from .job_submission import DESCRIBED, LATER, JobSubmission, prefers_async
from .openai_painting import Painting
from .result_links import check_room, linked

HEADERS = ("X-Seed", "X-Cast", "X-Consistency", "X-Backend", "X-Degraded")
RESPONSES = responses_of("JSON, or events with `stream`", (EVENTS,), (*HEADERS, "Cache-Control"))


def image_routes(
    config: ServiceConfig,
    graph: Graph,
    kept: PictureService,
    cast: CastService,
    results: ResultService,
    submission: JobSubmission,
) -> APIRouter:
    router, limits = APIRouter(), config.limits

    @router.post(
        "/v1/images/generations",
        response_model=ImagesResponse,
        responses=LATER | RESPONSES,
        openapi_extra=describe_body(ImagesRequest) | describe_headers(DESCRIBED),
    )
    async def generate_images(request: Request) -> Response:
        later = prefers_async(request)
        requested, digest = await accept_with_digest(request, ImagesRequest, limits, later)
        if later and (earlier := await submission.earlier(request, digest)):
            return earlier
        requested = await cast.resolve(tenant_of(request), requested)
        deadline_at = deadline_of(requested.deadline_s, limits)
        if later:
            return await paint_later(request, requested, digest, pictures_in(requested))
        inputs = await read_inputs(request, pictures_in(requested), graph, limits, kept, deadline_at)
        return await painted(request, requested, inputs, deadline_at, "image_generation")

    @router.post(
        "/v1/images/edits",
        response_model=ImagesResponse,
        responses=LATER | RESPONSES,
        openapi_extra=describe_fields(FILES, EditsRequest) | describe_headers(DESCRIBED),
    )
    async def edit_image(request: Request) -> Response:
        """Change a picture. With a mask, only the area that is transparent in the mask is painted again.

        The pictures after the first are references, for a model with `references` among its tasks.
        """
        later = prefers_async(request)
        form = await read_fields(request, limits, FILES)
        requested = await off_loop(lambda: read_texts(form.texts))
        deadline_at = deadline_of(requested.deadline_s, limits)
        if not form.files["image"]:
            raise InvalidRequest("image is required", "image")
        asked = unread(form.files)
        unknown = as_unread(chain.from_iterable(asked.values()))
        count = requested.n if later else 1
        early = requested.of_pictures(asked, unknown, config)
        checked = paintings_of(request, early.model_copy(update={"n": count}), unknown)
        digest = ""
        if later:
            digest = await off_loop(form.digest)
            parts = [painting.part for painting in checked]
            if earlier := await submission.check(request, parts, digest, list(unknown)):
                return earlier
        found, inputs = await read_files(request, form.files, graph, limits, deadline_at)
        edited = requested.of_pictures(found, inputs.known, config)
        if not later:
            return await painted(request, edited, inputs, deadline_at, "image_edit")
        paintings_of(request, edited, inputs.known)
        async with keeping_files(request, inputs, kept):
            return await paint_later(request, edited, digest, [("image", each) for each in inputs.known])

    def paintings_of(
        request: Request, requested: OpenAIRequest, known: Known, deadline_at: float | None = None
    ) -> list[Painting]:
        numbers = range(requested.n)
        return [Painting(requested, number, config, request, known, deadline_at) for number in numbers]

    async def paint_later(
        request: Request, requested: OpenAIRequest, digest: str, named: list[tuple[str, PictureInput]]
    ) -> Response:
        unknown = as_unread(picture for _, picture in named)
        paintings = await admit(lambda: paintings_of(request, requested, unknown), own_layers(requested))
        parts = [painting.part for painting in paintings]
        check = partial(paintings_of, request, requested)
        return await submission.respond(request, parts, digest, named, check)

    async def painted(
        request: Request,
        requested: OpenAIRequest,
        inputs: InputPictures,
        deadline_at: float,
        name: EventName,
    ) -> Response:
        painting_graph, known = graph.with_files(inputs.files), inputs.known

        paintings = await admit(
            lambda: paintings_of(request, requested, known, deadline_at), own_layers(requested)
        )
        links = requested.response_format == "url"
        if links:
            await check_room(request, results, [painting.job for painting in paintings])
        amount = sum(painting.cost for painting in paintings)
        begun = sent(graph, *(job for painting in paintings for job in painting.jobs))
        if requested.stream:
            events = paintings[0].events(painting_graph, requested.partial_images or 0, name)
            return EventStream(request, charged_events(request, amount, begun, events))

        async def paint() -> tuple[list[tuple[Picture, dict[str, str]]], Links]:
            made = await all_or_none(painting.paint(painting_graph) for painting in paintings)
            if not links:
                return made, NO_LINKS
            return made, await linked(request, results, [picture for picture, _ in made])

        made, linked_to = await abandon_with_client(request, charged(request, amount, begun, paint()))
        headers = {
            header: ", ".join(dict.fromkeys(said[header] for _, said in made if header in said))
            for header in HEADERS
        }
        given = {header: value for header, value in headers.items() if value}
        pictures = [picture for picture, _ in made]
        used = sum((painting.used for painting in paintings), Usage())
        return JsonResponse(lambda: images_body(pictures, used, linked_to), size_of(*pictures), headers=given)

    return router


def own_layers(requested: OpenAIRequest) -> list[Layer]:
    """Return the layers that a request describes as fields."""
    return layers_in(requested) if isinstance(requested, ImagesRequest) else []
