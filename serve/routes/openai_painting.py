"""Paint the requests of the OpenAI-compatible endpoints: a scene, a layer or a cut-out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from fastapi import Request

from deployments.errors import InvalidRequest
from deployments.messages import LayerEvent, LayerJob, LayerKind, Picture, StepEvent, Usage

from ..api import responses
from ..api.known_pictures import NONE, Known
from ..api.layer_schema import CharacterRequest
from ..api.openai_request import OpenAIRequest
from ..api.openai_responses import EventName, completed_image, partial_image
from ..api.resolve import admit_layer, admit_scene, output_options
from ..api.response_bodies import size_of
from ..api.scene_schema import SceneRequest
from ..auth.middleware import tenant_of
from ..config.service_config import ServiceConfig
from ..graph.bill import usage_of
from ..graph.other_renders import render_cutout, render_layer
from ..graph.scene import Graph, OnSceneEvent, render
from ..graph.scene_job import SceneJob
from ..graph.scene_previews import ScenePreviews
from ..http.rendering import later
from ..http.sse import Event, EventProducer
from ..jobs.single_layers import SingleLayerRequest
from .charges import layer_cost, scene_cost


class Painting:
    """One picture to be painted. Raises InvalidRequest, naming OpenAI's fields, if it cannot be painted.

    `used` is what it took, once it is painted.
    """

    def __init__(
        self,
        requested: OpenAIRequest,
        number: int,
        config: ServiceConfig,
        request: Request,
        pictures: Known = NONE,
        deadline_at: float | None = None,
    ) -> None:
        self.used = Usage()
        tenant = tenant_of(request)
        request_id = request.state.request_id + (f"-{number}" if number else "")
        try:
            self._wire = requested.to_request(number, config)
            if isinstance(self._wire, SceneRequest):
                self._job: SceneJob | LayerJob = admit_scene(
                    self._wire, config, request_id, None, tenant, pictures, deadline_at
                )
            else:
                kind: LayerKind = "character" if isinstance(self._wire, CharacterRequest) else "background"
                self._job = admit_layer(kind, self._wire, config, request_id, tenant, pictures, deadline_at)
        except InvalidRequest as error:
            raise _in_openais_names(error, requested) from None
        self._output = output_options(self._wire.output, config, None)

    @property
    def job(self) -> SceneJob | LayerJob:
        """Return the job."""
        return self._job

    @property
    def cost(self) -> float:
        """Return its cost to the caller's quota, in megapixel-steps."""
        return (
            scene_cost(self._job) if isinstance(self._job, SceneJob) else layer_cost(self._job, self._output)
        )

    @property
    def jobs(self) -> tuple[LayerJob, ...]:
        """Return the jobs of its layers."""
        return self._job.layers if isinstance(self._job, SceneJob) else (self._job,)

    @property
    def part(self) -> SceneRequest | SingleLayerRequest:
        """Return the picture's request as a part of a job."""
        if isinstance(self._wire, SceneRequest):
            return self._wire
        kind: LayerKind = "character" if isinstance(self._wire, CharacterRequest) else "background"
        return SingleLayerRequest(kind, self._wire, self._output)

    async def paint(
        self, graph: Graph, on_event: OnSceneEvent | None = None
    ) -> tuple[Picture, dict[str, str]]:
        """Paint the picture, and return it with its headers. Raises the errors of deployments/errors.py."""
        if isinstance(self._job, SceneJob):
            scene = await render(graph, self._job, on_event)
            self.used = usage_of(scene.layers)
            return scene.merged.picture, responses.scene_headers(scene)
        if isinstance(self._wire, CharacterRequest) and self._wire.cutout:
            layer, picture = await render_cutout(graph, self._job, self._output)
        else:
            hear = None if on_event is None else lambda item: on_event(item, None)
            layer, picture = await render_layer(graph, self._job, self._output, hear)
        self.used = layer.usage
        return picture, responses.layer_headers(layer)

    def events(self, graph: Graph, partial_images: int, name: EventName) -> EventProducer:
        """Stream OpenAI's events: partial images, then the completed one."""

        async def produce(on_event: Callable[[Event], None]) -> None:
            sent = 0

            def on_preview(data: bytes) -> None:
                nonlocal sent
                event_data = partial_image(data, sent, self._size, name)
                sent += 1
                on_event(Event(event_data["type"], event_data))

            def on_item(item: LayerEvent, index: int | None) -> None:
                if isinstance(item, StepEvent) and item.preview is not None:
                    on_preview(item.preview)

            if isinstance(self._job, SceneJob):
                self._job = self._job.with_layers(previews=partial_images)
                async with ScenePreviews(graph, self._job.merge, on_preview) as previews:
                    picture, _ = await self.paint(graph, previews.on_event)
            else:
                self._job = replace(self._job, previews=partial_images)
                picture, _ = await self.paint(graph, on_item)
            body = later(lambda: completed_image(picture, self.used, name), size_of(picture))
            on_event(Event(f"{name}.completed", body))

        return produce

    @property
    def _size(self) -> str:
        sized = self._job.merge.options if isinstance(self._job, SceneJob) else self._job
        return f"{sized.width_px}x{sized.height_px}"


def _in_openais_names(error: InvalidRequest, requested: OpenAIRequest) -> InvalidRequest:
    """Return the error with OpenAI's name of the field, in its message too."""
    if error.param is None:
        return error
    return type(error)(requested.sentence_of(error.message, error.param), requested.param_of(error.param))
