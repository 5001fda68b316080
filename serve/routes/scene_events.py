"""Stream the events of painting a picture, for POST /v1/scenes and for a single layer."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

from deployments.messages import LayerEvent, LayerJob, LayerResult, OutputOptions, Picture, QueueEvent

from ..api.response_bodies import NO_LINKS, Links, layer_body, pictures_of, scene_body, size_of
from ..graph.other_renders import render_layer
from ..graph.scene import Graph, render
from ..graph.scene_job import SceneJob, SceneResult
from ..graph.scene_previews import ScenePreviews
from ..http.rendering import later
from ..http.sse import Event, EventProducer

LinkAll = Callable[[Iterable[Picture]], Awaitable[Links]]
Finish = Callable[[SceneResult], Awaitable[Links]]
"""A callback that keeps what the request asks to keep, and returns the links to send, if any."""


async def _no_links(painted: Iterable[Picture] | SceneResult) -> Links:
    return NO_LINKS


def scene_events(graph: Graph, job: SceneJob, previews: int, finish: Finish = _no_links) -> EventProducer:
    """Stream the events of a scene, which end with `scene.completed` and the JSON response.

    `layer.queued` comes if a layer waits, and when its place changes; `layer.progress` for each step;
    `layer.completed` for each layer. With several characters, theirs have an `index`. `scene.preview` comes
    each time that all layers have sent one more preview.
    """
    job = job.with_layers(previews=previews, queue_events=True)

    async def produce(on_event: Callable[[Event], None]) -> None:
        def on_item(item: LayerEvent, index: int | None) -> None:
            on_event(_event(item, index))
            composed.on_event(item, index)

        def on_preview(picture: bytes) -> None:
            on_event(Event("scene.preview", {"preview": base64.b64encode(picture).decode("ascii")}))

        async with ScenePreviews(graph, job.merge, on_preview) as composed:
            result = await render(graph, job, on_item)
        links, size = await finish(result), size_of(*pictures_of(result))
        body = later(lambda: scene_body(job.merge.request_id, result, links), size)
        on_event(Event("scene.completed", body))

    return produce


def layer_events(
    graph: Graph, job: LayerJob, output: OutputOptions, previews: int, link_all: LinkAll = _no_links
) -> EventProducer:
    """Stream `layer.queued` while the layer waits, `layer.progress` for each step, then `layer.completed`."""

    async def produce(on_event: Callable[[Event], None]) -> None:
        def on_item(item: LayerEvent) -> None:
            if not isinstance(item, LayerResult):
                on_event(_event(item))

        watched = replace(job, previews=previews, queue_events=True)
        layer, picture = await render_layer(graph, watched, output, on_item)
        links, size = await link_all((picture,)), size_of(picture)
        body = later(lambda: layer_body(job.request_id, layer, picture, links), size)
        on_event(Event("layer.completed", body))

    return produce


def _event(item: LayerEvent, index: int | None = None) -> Event:
    data: dict[str, Any] = {"layer": item.kind}
    if index is not None:
        data["index"] = index
    if isinstance(item, LayerResult):
        return Event("layer.completed", data | {"seed": item.seed, "degraded": list(item.degraded)})
    if isinstance(item, QueueEvent):
        return Event("layer.queued", data | {"ahead": item.ahead})
    data |= {"step": item.step, "steps": item.steps}
    if item.preview is not None:
        data["preview"] = base64.b64encode(item.preview).decode("ascii")
    return Event("layer.progress", data)
