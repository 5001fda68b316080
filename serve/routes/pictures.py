"""/v1/pictures: pictures that callers upload to paint from."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.imaging.files.decoding import measure
from deployments.merge_work import read_megapixels
from deployments.messages import Picture, PictureJob

from ..api.picture_answer import PictureAnswer
from ..api.response_bodies import safety_body
from ..api.responses import wants_json
from ..auth.middleware import refuse_token, tenant_of
from ..config.service_config import ServiceConfig
from ..graph.other_renders import read_picture
from ..graph.scene import Graph
from ..http.body import abandon_with_client
from ..http.error_responses import Refusal
from ..http.forms import read_form
from ..http.held_bytes import hold_response
from ..http.off_loop import off_loop
from ..openapi.fragments import describe_form, responses_of
from ..pictures.picture_service import PictureService, id_of
from ..pictures.picture_store import KeptPicture
from .charges import charged, note_done

FILE = "file"
DEADLINE_S = 120.0
PNG = "image/png"


def picture_routes(config: ServiceConfig, graph: Graph, service: PictureService) -> APIRouter:
    router = APIRouter()
    limits = config.limits

    @router.post(
        "/v1/pictures",
        response_model=PictureAnswer,
        responses=responses_of("the stored picture, kept until it expires"),
        openapi_extra=describe_form({FILE: 1}),
    )
    async def upload_picture(request: Request) -> Response:
        """Keep a PNG, JPEG or WebP picture for a day. The same picture has the same id."""
        form = await read_form(request, limits, {FILE: 1})
        data, tenant = form.files[FILE][0], tenant_of(request)
        pixels = await off_loop(lambda: measure(data, FILE, limits.max_upload_pixels))
        job = PictureJob(request.state.request_id, data, FILE, limits.max_upload_pixels, pixels, tenant)

        async def read_and_keep() -> tuple[KeptPicture, Picture]:
            picture = await read_picture(graph, job, time.monotonic() + DEADLINE_S)
            note_done(request)
            return await service.keep(tenant, picture), picture

        work = charged(request, read_megapixels(pixels), lambda: True, read_and_keep())
        kept, picture = await abandon_with_client(request, work)
        return JSONResponse(_reported(kept, picture))

    @router.get(
        "/v1/pictures/{picture_id}",
        response_model=PictureAnswer,
        responses=responses_of(
            "the picture, or JSON, depending on `Accept`", (PNG,), ("ETag", "Cache-Control", "Vary")
        ),
    )
    async def look_at_picture(request: Request, picture_id: str) -> Response:
        tenant = tenant_of(request)
        if wants_json(request):
            return JSONResponse(_reported(await service.find(tenant, picture_id)), headers={"Vary": "Accept"})
        try:
            kept = await service.find(tenant, picture_id)
            hold_response(request.scope, kept.bytes)
            kept, data = await service.read(tenant, picture_id)
        except Refusal as refusal:
            if refusal.status == 410:
                request.state.damaged_picture = "gone"  # HttpMetrics counts it.
            raise
        headers = {"ETag": f'"{kept.name}"', "Cache-Control": "private, immutable", "Vary": "Accept"}
        return Response(data, media_type=PNG, headers=headers)

    @router.delete("/v1/pictures/{picture_id}", response_model=PictureAnswer)
    async def remove_picture(request: Request, picture_id: str) -> Response:
        """Remove a picture, unless an unfinished job, a story or a member of the cast still holds it.

        A token cannot remove one, since other callers may have uploaded the same picture.
        """
        refuse_token(request, "remove a picture")
        return JSONResponse(_reported(await service.remove(tenant_of(request), picture_id)))

    return router


def _reported(kept: KeptPicture, uploaded: Picture | None = None) -> dict[str, object]:
    response = PictureAnswer(
        id=id_of(kept.name),
        width=kept.width,
        height=kept.height,
        expires_at=int(kept.expires_at),
        safety=None if uploaded is None else safety_body(uploaded),
    )
    return response.model_dump(exclude_none=True)
