"""The HTTP edge: the only deployment with a route. Validates once, hands jobs down, dresses results up."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import FastAPI, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from deployments.errors import InvalidRequest, NotReady, ScenewrightError
from deployments.messages import LayerKind

from . import answers
from .admission import admit_layer, admit_scene, output_options
from .body import read_json
from .config import ServiceConfig
from .disconnects import ClientGone, abandon_with_client
from .error_answers import Refusal, answer, first_fault
from .models import listing
from .observed_edge import ObservedEdge
from .openapi import ERRORS, PICTURES, describe_body
from .readiness import unready_reasons
from .request_ids import RequestIds
from .scene import Graph, Handle, render, render_cutout, render_layer
from .schema import CharacterRequest, LayerAnswer, LayerRequest, SceneAnswer, SceneRequest
from .strict_json import InvalidJson

Asked = TypeVar("Asked", bound=BaseModel)


class Ingress:
    """Its application is built in the replica, where its handles are."""

    def __init__(
        self,
        config: ServiceConfig,
        character: Handle,
        background: Handle,
        merger: Handle,
    ) -> None:
        self._config = config
        self._graph = Graph(character, background, merger)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return ObservedEdge(build_http(self._config, self._graph))


def build_http(config: ServiceConfig, graph: Graph) -> ASGIApp:
    """Every route, over any graph of handles."""
    app = FastAPI(
        title="Scenewright",
        version="0.1.0",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=ERRORS,
    )
    for kind in (ScenewrightError, Refusal, InvalidJson, HTTPException, ClientGone, Exception):
        app.add_exception_handler(kind, answer)

    async def accept(request: Request, shape: type[Asked]) -> Asked:
        body = await read_json(request, config.limits)
        try:
            return shape.model_validate(body)
        except ValidationError as error:
            raise first_fault(error) from None

    @app.post(
        "/v1/scenes",
        response_model=SceneAnswer,
        responses=PICTURES,
        openapi_extra=describe_body(SceneRequest),
    )
    async def paint_scene(request: Request) -> Response:
        asked = await accept(request, SceneRequest)
        job = admit_scene(asked, config, request.state.request_id, answers.accepted_format(request))
        result = await abandon_with_client(request, render(graph, job))
        return answers.scene_answer(request, result)

    @app.post(
        "/v1/characters",
        response_model=LayerAnswer,
        responses=PICTURES,
        openapi_extra=describe_body(CharacterRequest),
    )
    async def paint_character(request: Request) -> Response:
        asked = await accept(request, CharacterRequest)
        if asked.cutout:
            return await cut_character_out(request, asked)
        return await paint_layer(request, "character", asked)

    async def cut_character_out(request: Request, asked: CharacterRequest) -> Response:
        output = output_options(asked.output, config, answers.accepted_format(request) or "png")
        if output.format == "jpeg":
            raise InvalidRequest("a cut-out needs transparency: ask for png or webp", "output.format")
        job = admit_layer("character", asked, config, request.state.request_id)
        layer, picture = await abandon_with_client(request, render_cutout(graph, job, output))
        return answers.layer_answer(request, layer, picture)

    @app.post(
        "/v1/backgrounds",
        response_model=LayerAnswer,
        responses=PICTURES,
        openapi_extra=describe_body(LayerRequest),
    )
    async def paint_background(request: Request) -> Response:
        return await paint_layer(request, "background", await accept(request, LayerRequest))

    async def paint_layer(request: Request, kind: LayerKind, asked: LayerRequest) -> Response:
        job = admit_layer(kind, asked, config, request.state.request_id)
        output = output_options(asked.output, config, answers.accepted_format(request))
        layer, picture = await abandon_with_client(request, render_layer(graph, job, output))
        return answers.layer_answer(request, layer, picture)

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        return listing(config)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        reasons = await unready_reasons(graph)
        if reasons:
            raise NotReady("; ".join(reasons), retry_after_s=2)
        return {"status": "ready"}

    return RequestIds(app)
