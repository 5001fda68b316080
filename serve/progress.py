"""What a caller hears while a picture is painted: the events of POST /v1/scenes and of one layer."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace

from deployments.messages import LayerJob, LayerResult, OutputOptions, StepEvent

from . import answers
from .admission import SceneJob
from .event_stream import Event, Work
from .scene import Graph, render, render_layer
from .scene_previews import ScenePreviews


def scene_events(graph: Graph, job: SceneJob, previews: int) -> Work:
    """`layer.progress` a step, `layer.completed` a layer, then `scene.completed` with the JSON answer.

    Between them `scene.preview`, each time that both layers have sent one more preview.
    """
    job = replace(
        job,
        character=replace(job.character, previews=previews),
        background=replace(job.background, previews=previews),
    )

    async def work(tell: Callable[[Event], None]) -> None:
        def on_item(item: StepEvent | LayerResult) -> None:
            tell(_event(item))
            composed.hear(item)

        def on_preview(picture: bytes) -> None:
            tell(Event("scene.preview", {"preview": base64.b64encode(picture).decode("ascii")}))

        async with ScenePreviews(graph, job.merge.options, on_preview) as composed:
            result = await render(graph, job, on_item)
        tell(Event("scene.completed", answers.scene_body(job.merge.request_id, result)))

    return work


def layer_events(graph: Graph, job: LayerJob, output: OutputOptions, previews: int) -> Work:
    """`layer.progress` a step, then `layer.completed` with the JSON answer."""

    async def work(tell: Callable[[Event], None]) -> None:
        def on_item(item: StepEvent | LayerResult) -> None:
            if isinstance(item, StepEvent):
                tell(_event(item))

        layer, picture = await render_layer(graph, replace(job, previews=previews), output, on_item)
        tell(Event("layer.completed", answers.layer_body(job.request_id, layer, picture)))

    return work


def _event(item: StepEvent | LayerResult) -> Event:
    if isinstance(item, LayerResult):
        return Event(
            "layer.completed", {"layer": item.kind, "seed": item.seed, "degraded": list(item.degraded)}
        )
    told: dict[str, str | int] = {"layer": item.kind, "step": item.step, "steps": item.steps}
    if item.preview is not None:
        told["preview"] = base64.b64encode(item.preview).decode("ascii")
    return Event("layer.progress", told)
