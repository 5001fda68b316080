"""What a caller hears while a picture is painted: the events of POST /v1/scenes and of one layer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deployments.messages import LayerEvent, LayerJob, LayerResult, OutputOptions, QueueEvent

from ..api import responses
from ..graph.scene import Graph, render, render_layer
from ..graph.scene_job import SceneJob
from ..graph.scene_previews import ScenePreviews
from ..http.rendering import later
from ..http.sse import Event, Work


def scene_events(graph: Graph, job: SceneJob, previews: int) -> Work:
    """`layer.queued` where a layer waits, and again when its place changes; `layer.progress` a step,
    `layer.completed` a layer, then `scene.completed` with the JSON answer.

    Those of several characters have an `index`. Between them `scene.preview`, each time that all layers have
    sent one more preview.
    """
    job = job.with_layers(previews=previews, followed=True)

    async def work(tell: Callable[[Event], None]) -> None:
        def on_item(item: LayerEvent, index: int | None) -> None:
            tell(_event(item, index))
            composed.hear(item, index)

        def on_preview(picture: bytes) -> None:
            tell(Event("scene.preview", {"preview": base64.b64encode(picture).decode("ascii")}))

        async with ScenePreviews(graph, job.merge, on_preview) as composed:
            result = await render(graph, job, on_item)
        size = responses.size_of(result.merged.picture, *result.merged.layers.values())
        body = later(lambda: responses.scene_body(job.merge.request_id, result), size)
        tell(Event("scene.completed", body))

    return work


def layer_events(graph: Graph, job: LayerJob, output: OutputOptions, previews: int) -> Work:
    """`layer.queued` while it waits, `layer.progress` a step, then `layer.completed` with the JSON answer."""

    async def work(tell: Callable[[Event], None]) -> None:
        def on_item(item: LayerEvent) -> None:
            if not isinstance(item, LayerResult):
                tell(_event(item))

        followed = replace(job, previews=previews, followed=True)
        layer, picture = await render_layer(graph, followed, output, on_item)
        body = later(lambda: responses.layer_body(job.request_id, layer, picture), responses.size_of(picture))
        tell(Event("layer.completed", body))

    return work


def _event(item: LayerEvent, index: int | None = None) -> Event:
    told: dict[str, Any] = {"layer": item.kind}
    if index is not None:
        told["index"] = index
    if isinstance(item, LayerResult):
        return Event("layer.completed", told | {"seed": item.seed, "degraded": list(item.degraded)})
    if isinstance(item, QueueEvent):
        return Event("layer.queued", told | {"ahead": item.ahead})
    told |= {"step": item.step, "steps": item.steps}
    if item.preview is not None:
        told["preview"] = base64.b64encode(item.preview).decode("ascii")
    return Event("layer.progress", told)
