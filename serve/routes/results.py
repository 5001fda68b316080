"""GET /v1/results/{name}: the picture behind a signed link. The signature replaces a key."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ..api.responses import FORMATS
from ..http.error_responses import Refusal
from ..http.held_bytes import hold_response
from ..openapi.fragments import responses_of
from ..pictures.kept_results import ALTERED, ResultService

QUERY = {"expires": "^[1-9][0-9]{0,11}$", "signature": "^[A-Za-z0-9_-]{43}$"}
DESCRIBED = {
    "parameters": [
        {"name": name, "in": "query", "required": True, "schema": {"type": "string", "pattern": pattern}}
        for name, pattern in QUERY.items()
    ]
}


def result_routes(service: ResultService) -> APIRouter:
    router = APIRouter()

    @router.get(
        "/v1/results/{name}",
        responses=responses_of("the picture", FORMATS, ("ETag", "Cache-Control")),
        response_class=Response,
        openapi_extra=DESCRIBED,
    )
    async def look_at_result(request: Request, name: str) -> Response:
        """Return the picture behind a signed link, until the link expires. No key is needed."""
        given = request.query_params.multi_items()
        if sorted(field for field, _ in given) != sorted(QUERY):
            raise Refusal(403, "forbidden", ALTERED)
        query = dict(given)
        kept = await service.linked(name, query["expires"], query["signature"])
        hold_response(request.scope, kept.bytes)
        data = await service.read(kept)
        headers = {"ETag": f'"{kept.name}"', "Cache-Control": "private, immutable"}
        headers["X-Content-Type-Options"] = "nosniff"
        return Response(data, media_type=f"image/{kept.format}", headers=headers)

    return router
