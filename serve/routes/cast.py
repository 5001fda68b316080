"""/v1/cast: the recurring subjects of a tenant's pictures, kept under their names."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from deployments.errors import InvalidRequest

from ..api.cast_request import (
    CastAnswer,
    CastBody,
    CastChange,
    CastList,
    CastListQuery,
    CastReference,
    CastRequest,
)
from ..api.known_pictures import Known
from ..api.layer_schema import LoraInput
from ..auth.middleware import tenant_of
from ..cast.cast_service import CastService, check_name
from ..cast.cast_store import KeptMember
from ..config.service_config import ServiceConfig
from ..graph.scene import Graph
from ..http.body import accept, parse
from ..http.error_responses import Refusal
from ..http.paths import link
from ..openapi.fragments import describe_body, describe_header, describe_query, responses_of
from ..pictures.picture_service import PictureService, id_of
from .input_pictures import keeping_inputs

ONE_TAG = r'(W/)?"[!#-~]*"'
TAGS = re.compile(rf"\s*(\*|{ONE_TAG}(\s*,\s*{ONE_TAG})*)\s*")
TAG = re.compile(r'(W/)?"([!#-~]*)"')


def cast_routes(
    config: ServiceConfig, graph: Graph, pictures: PictureService, cast: CastService
) -> APIRouter:
    router = APIRouter()

    def keeping_references(request: Request, body: CastBody) -> AbstractAsyncContextManager[Known]:
        """Keep the references that were sent inside a body, unless the block raises."""
        for name in ("description", "negative_prompt"):
            if len(getattr(body, name) or "") > config.limits.max_prompt_chars:
                message = f"{name} must be at most {config.limits.max_prompt_chars} characters"
                raise InvalidRequest(message, name)
        named = [(f"references.{index}", each) for index, each in enumerate(body.references)]
        return keeping_inputs(request, named, graph, config.limits, pictures)

    @router.post(
        "/v1/cast",
        status_code=201,
        response_model=CastAnswer,
        responses=responses_of("the stored member", headers=("Location", "ETag"), status=201),
        openapi_extra=describe_body(CastRequest),
    )
    async def add_member(request: Request) -> Response:
        """Keep a new member of the cast; a layer with its name in `cast` paints it."""
        body, tenant = await accept(request, CastRequest, config.limits), tenant_of(request)
        await cast.would_add(tenant, body.name)
        async with keeping_references(request, body) as known:
            member = await cast.add(tenant, body.name, body, known)
        address = link(request, f"/v1/cast/{member.name}")
        return _response(member, 201, {"Location": address})

    @router.get("/v1/cast", response_model=CastList, openapi_extra=describe_query(CastListQuery))
    async def list_cast(request: Request) -> Response:
        """List the members of the cast by name."""
        asked = parse(dict(request.query_params), CastListQuery)
        members, cursor = await cast.page(tenant_of(request), asked.limit, asked.after)
        return JSONResponse({"data": [_reported(member) for member in members], "next": cursor})

    @router.get(
        "/v1/cast/{name}", response_model=CastAnswer, responses=responses_of("the member", headers=("ETag",))
    )
    async def look_at_member(request: Request, name: str) -> Response:
        return _response(await cast.find(tenant_of(request), name))

    @router.put(
        "/v1/cast/{name}",
        response_model=CastAnswer,
        responses=responses_of("the member's new version", headers=("ETag",)),
        openapi_extra=describe_body(CastChange)
        | describe_header(
            "If-Match", f"^{TAGS.pattern}$", "the `ETag` of the version to change; any other is 412"
        ),
    )
    async def change_member(request: Request, name: str) -> Response:
        """Replace a member's whole definition; with `version` or `If-Match`, only if that still matches."""
        check_name(name)
        body, tenant = await accept(request, CastChange, config.limits), tenant_of(request)
        if body.name not in (None, name):
            raise InvalidRequest(f"name must be {name}, as in the path: members cannot be renamed", "name")
        tags = _expected(request)
        await cast.would_replace(tenant, name, body.version, tags)
        async with keeping_references(request, body) as known:
            return _response(await cast.replace(tenant, name, body, known, body.version, tags))

    @router.delete(
        "/v1/cast/{name}",
        response_model=CastAnswer,
        openapi_extra=describe_header(
            "If-Match", f"^{TAGS.pattern}$", "the `ETag` of the version to remove; any other is 412"
        ),
    )
    async def remove_member(request: Request, name: str) -> Response:
        """Remove a member, and its pictures if nothing else holds them."""
        return _response(await cast.remove(tenant_of(request), name, _expected(request)))

    return router


def _expected(request: Request) -> list[str] | None:
    """Return the tags of `If-Match`, or None if any tag will do. Raises Refusal 400."""
    values = request.headers.getlist("if-match")
    header = ",".join(values)
    if not values or header.strip() == "*":
        return None
    if not TAGS.fullmatch(header):
        raise Refusal(400, "invalid_request", "If-Match must be a list of ETags in quotes, or *", "If-Match")
    return [tag for weak, tag in TAG.findall(header) if not weak]


def _response(member: KeptMember, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(_reported(member), status, {**(headers or {}), "ETag": f'"{member.tag}"'})


def _reported(member: KeptMember) -> dict[str, object]:
    response = CastAnswer(
        name=member.name,
        version=member.version,
        description=member.description,
        references=[CastReference(id=id_of(name)) for name in member.references],
        loras=[LoraInput(**lora) for lora in member.loras],
        seed=member.seed,
        negative_prompt=member.negative_prompt,
        created=int(member.created_at),
        updated=int(member.updated_at),
    )
    return response.model_dump()
