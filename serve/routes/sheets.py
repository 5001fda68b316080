"""/v1/cast/{name}/sheet: a member of the cast in several poses, as an atlas for games."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from deployments.errors import InvalidRequest

from ..api.resolve import admit, deadline_of
from ..api.responses import picture_headers, usage_header, wants_json
from ..api.sheet import (
    PNG,
    ZIP,
    SheetAnswer,
    SheetPose,
    SheetQuery,
    SheetRequest,
    admit_poses,
    layers_of,
    names_of,
    sheet_archive,
    sheet_body,
    sheet_json,
    wants_archive,
)
from ..auth.middleware import tenant_of
from ..cast.cast_service import CastService, check_name
from ..config.service_config import ServiceConfig
from ..graph.other_renders import render_sheet
from ..graph.scene import Graph
from ..http.body import abandon_with_client, accept, parse
from ..http.off_loop import off_loop
from ..http.paths import is_head
from ..http.rendering import JsonResponse
from ..openapi.fragments import describe_body, responses_of
from ..pictures.picture_service import PictureService
from .charges import charged, layer_cost, sent
from .input_pictures import read_inputs

RESPONSES = responses_of(
    "JSON in TexturePacker's hash format with the atlas beside it, the atlas alone, or a ZIP of both and of"
    " every pose, depending on `Accept`",
    (PNG, ZIP),
    ("X-Cast", "X-Usage", "X-Safety"),
)


def sheet_routes(
    config: ServiceConfig, graph: Graph, pictures: PictureService, cast: CastService
) -> APIRouter:
    router = APIRouter()

    @router.get(
        "/v1/cast/{name}/sheet",
        response_model=SheetAnswer,
        responses=RESPONSES,
        openapi_extra={"parameters": [_pose_parameter()]},
    )
    async def paint_usual_sheet(request: Request, name: str) -> Response:
        """Paint a member in some poses. If it has a seed, the same poses give the same sheet."""
        unknown = next((key for key in request.query_params if key != "pose"), None)
        if unknown is not None:
            raise InvalidRequest(f"{unknown[:60]} is not a known field", unknown[:60])
        words = request.query_params.getlist("pose")
        query = parse({"pose": words} if words else {}, SheetQuery)
        return await paint(request, name, SheetRequest(poses=[SheetPose(prompt=each) for each in query.pose]))

    @router.post(
        "/v1/cast/{name}/sheet",
        response_model=SheetAnswer,
        responses=RESPONSES,
        openapi_extra=describe_body(SheetRequest),
    )
    async def paint_sheet(request: Request, name: str) -> Response:
        """Paint a member in the caller's own poses, each with any field of a layer."""
        check_name(name)
        return await paint(request, name, await accept(request, SheetRequest, config.limits))

    async def paint(request: Request, name: str, requested: SheetRequest) -> Response:
        tenant, request_id, limits = tenant_of(request), request.state.request_id, config.limits
        deadline_at, names = deadline_of(requested.deadline_s, limits), names_of(requested.poses)
        member = await cast.member(tenant, name)
        layers = layers_of(requested.poses, member, config)
        named = [
            each for index, layer in enumerate(layers) for each in layer.named_pictures(f"poses.{index}.")
        ]
        inputs = await read_inputs(request, named, graph, limits, pictures, deadline_at)
        jobs = await admit(
            lambda: admit_poses(layers, config, request_id, tenant, inputs.known, deadline_at), layers
        )
        if is_head(request):
            kind = "application/json" if wants_json(request) else ZIP if wants_archive(request) else PNG
            unpainted = Response(media_type=kind, headers={"X-Cast": f"{name}@{member.version}"})
            del unpainted.headers["content-length"]
            return unpainted
        painting = render_sheet(graph.with_files(inputs.files), jobs, names)
        work = charged(request, sum(map(layer_cost, jobs)), sent(graph, *jobs), painting)
        painted, sheet = await abandon_with_client(request, work)
        described = sheet_json(member, sheet, painted)
        headers = {
            "X-Cast": f"{name}@{member.version}",
            **usage_header(painted),
            **picture_headers(sheet.atlas),
        }
        if wants_json(request):
            size = len(sheet.atlas.data)
            return JsonResponse(lambda: sheet_body(described, sheet, painted), size, headers=headers)
        if wants_archive(request):
            archive = await off_loop(lambda: sheet_archive(name, described, sheet))
            return Response(archive, media_type=ZIP, headers=headers)
        return Response(sheet.atlas.data, media_type=PNG, headers=headers)

    return router


def _pose_parameter() -> dict[str, Any]:
    schema = SheetQuery.model_json_schema()["properties"]["pose"]
    return {
        "name": "pose",
        "in": "query",
        "schema": schema,
        "description": "what the member does; may be repeated",
    }
